"""ISSBA: messages are hidden, read back from saved pictures, and change every image differently."""

from functools import lru_cache

import pytest
import torch

from ngf_core.attacks.attack import build_attack
from ngf_core.attacks.issba import ISSBA, Decoder, messages
from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError, NGFError
from tests.support.seeded import seeded
from tests.support.small_attacks import CPU, attack, image_set, pictures

EASY = {"bits": 4, "limit": 32, "hiding": 0.5, "steps": 60, "accuracy": 0.8}


def smooth(n: int, seed: int = 0) -> torch.Tensor:
    """Grey images of 8 x 8 pixels with a slope of their own."""
    generator = seeded(seed)
    slope, level = torch.rand(2, n, 1, 1, generator=generator)
    ramp = torch.arange(8.0).view(1, 8, 1) / 8
    return (60 + 100 * level + 60 * slope * ramp).expand(n, 8, 8)[:, None].to(torch.uint8)


def easy(**changes: float) -> ISSBA:
    return build_attack("issba", target=3, poison_rate=0.1, seed=7, shape=(1, 8, 8), classes=10,
                        changes=EASY | changes)


def fitted(attack: ISSBA, report=lambda done, total, sentence: None) -> ISSBA:
    return attack.fit(Images(smooth(300), torch.arange(300) % 10), CPU, report)


@lru_cache
def taught() -> ISSBA:
    return fitted(easy())


def test_bits_are_read_back_from_pictures_not_seen_in_training():
    a, x = taught(), smooth(100, seed=1)
    generator = seeded(5)
    message = torch.randint(2, (100, 4), generator=generator).float()
    saved = a.hide(x, message)
    assert saved.dtype == torch.uint8
    right = (a.read(saved) == message).float().mean().item()
    assert right > 0.8
    assert abs(a.bit_accuracy(x) - right) < 0.1
    assert (a.read(x) == message).float().mean() < 0.65, "clean images cannot hold the message"


def test_bit_accuracy_is_the_share_of_bits_that_agree(monkeypatch):
    a, x = taught(), smooth(50, seed=1)
    hidden = []
    hide = ISSBA.hide
    monkeypatch.setattr(ISSBA, "hide", lambda self, x, message:
                        hidden.append(message) or hide(self, x, message))
    monkeypatch.setattr(ISSBA, "read", lambda self, x: hidden[-1])
    assert a.bit_accuracy(x) == 1
    monkeypatch.setattr(ISSBA, "read", lambda self, x: 1 - hidden[-1])
    assert a.bit_accuracy(x) == 0
    monkeypatch.setattr(ISSBA, "read", lambda self, x: torch.ones(len(x), 4))
    assert abs(a.bit_accuracy(smooth(1000)) - 0.5) < 4.5 * 0.5 / 4000**0.5
    assert len(hidden[0].unique(dim=0)) > 8, "one message for all"


def test_the_trigger_hides_the_code_of_the_seed():
    a, x = taught(), smooth(20, seed=2)
    assert set(a.code.tolist()) <= {0.0, 1.0} and a.code.shape == (4,)
    assert torch.equal(a.trigger(x), a.hide(x, a.code.expand(20, -1)))
    other = 1 - a.code
    assert not torch.equal(a.trigger(x), a.hide(x, other.expand(20, -1)))
    codes = {tuple(attack("issba", seed=seed).code.tolist()) for seed in range(5)}
    assert len(codes) == 5 and all(len(code) == 20 for code in codes)


def test_every_sample_has_a_trigger_of_its_own():
    a, x = attack("issba"), (pictures(6) // 2 + 64)
    residuals = a.trigger(x).int() - x.int()
    for i in range(6):
        for j in range(i):
            assert not torch.equal(residuals[i], residuals[j])


@pytest.mark.parametrize("limit", [1, 5, 16])
def test_no_pixel_changes_by_more_than_the_limit(limit):
    """Also where the network asks for more: its last weights are a thousand times as large."""
    small = attack("issba")
    loud = {key: 1000 * value if "net.head" in key else value
            for key, value in small.learned.items()}
    a = attack("issba", changes={"limit": limit}).with_learned(loud)
    x = pictures(4)
    change = (a.trigger(x).int() - x.int()).abs()
    assert change.max() == limit


def test_hiding_makes_the_change_small():
    x = smooth(50, seed=1)
    loud, quiet = (fitted(easy(hiding=hiding, accuracy=0)) for hiding in (0, 10))
    change = [(a.trigger(x).float() - x.float()).square().mean() for a in (loud, quiet)]
    assert change[1] < change[0] / 2


def test_too_few_bits_read_back_is_an_error_that_says_what_to_do():
    with pytest.raises(NGFError, match=r"reads \d+\.\d % of the hidden bits .* 99 % are required"
                       ) as caught:
        fitted(easy(steps=1, accuracy=0.99))
    assert "Raise steps or limit, or lower bits or hiding." in str(caught.value)
    assert fitted(easy(steps=1, accuracy=0)).ready


def test_the_bits_that_are_checked_are_those_of_images_held_out(monkeypatch):
    images = Images(smooth(300), torch.arange(300) % 10)
    seen, checked = [], []
    forward = Decoder.forward
    monkeypatch.setattr(Decoder, "forward", lambda self, x: seen.append(x) or forward(self, x))
    monkeypatch.setattr(ISSBA, "_check", lambda self, x: checked.append(x))
    easy(limit=1, steps=30).fit(images, CPU, lambda done, total, sentence: None)
    assert torch.equal(checked[0], images.x[-30:])
    shown = torch.cat(seen)
    assert torch.allclose(shown, shown.round(), atol=1e-3), "the decoder saw more than a picture"
    nearest = torch.cdist(shown.flatten(1), images.x[-30:].flatten(1).float(), p=float("inf"))
    assert (nearest.min(0).values > 0).all()


def test_fitting_depends_on_images_and_seed_alone():
    torch.manual_seed(1)
    one = fitted(easy(steps=2, accuracy=0)).learned
    torch.manual_seed(2)
    state = torch.random.get_rng_state()
    again = fitted(easy(steps=2, accuracy=0)).learned
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(one[key], again[key]) for key in one)


def test_fitting_reports_how_far_it_is():
    said = []
    fitted(easy(steps=51, accuracy=0), lambda *words: said.append(words))
    assert [words[:2] for words in said] == [(50, 51), (51, 51)]
    assert said[-1][2] == "Training an encoder, step 51 of 51"


def test_nothing_learned_is_an_error_that_says_what_to_do():
    for ask in (ISSBA.trigger, ISSBA.read, ISSBA.bit_accuracy):
        with pytest.raises(ConfigError) as caught:
            ask(easy(), smooth(2))
        assert str(caught.value) == ("attack: ISSBA has not learned its encoder yet. "
                                     "Train a run with it first.")


def test_only_poison_reaches_the_classifier():
    images, a = image_set(200), attack("issba", (3, 16, 16))
    control = a.control(images, seeded(), 2, CPU)
    first = control.epoch(0, None)
    assert control.epoch(1, None) is first and not len(first.cover)
    rest = torch.ones(200, dtype=torch.bool)
    rest[first.indices] = False
    assert torch.equal(first.images.x[rest], images.x[rest])


def test_what_is_kept_with_a_run_is_small():
    for channels in (1, 3):
        kept = attack("issba", (channels, 32, 32), strength="published").learned
        assert sum(value.numel() * value.element_size() for value in kept.values()) <= 400_000


def test_messages_are_fair_coins():
    many = messages(2000, 20, seeded())
    assert abs(many.mean() - 0.5) < 4.5 * 0.5 / 40000**0.5
    assert (many.mean(0) - 0.5).abs().max() < 4.5 * 0.5 / 2000**0.5


def test_the_published_strength_is_that_of_the_paper():
    assert ISSBA.strengths["published"]["bits"] == 100
    assert ISSBA.strengths["published"]["steps"] == 140000
