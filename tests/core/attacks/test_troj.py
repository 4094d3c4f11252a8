"""Troj-one and Troj-all: what is inverted, where the patch goes, and that nothing wraps around."""

import numpy as np
import pytest
import torch
from torch import nn

from ngf_core.attacks.attack import build_attack
from ngf_core.attacks.generator import restore
from ngf_core.attacks.surrogate import new_surrogate
from ngf_core.attacks.troj import TrojAll, TrojOne
from ngf_core.errors import ConfigError
from tests.support.seeded import seeded
from tests.support.small_attacks import CPU, SHAPES, attack, image_set, pictures

BOTH = ["troj_one", "troj_all"]


def silent(done: int, total: int, sentence: str) -> None:
    pass


def unlearned(name: str = "troj_one", shape: tuple = (3, 8, 8), **changes: float) -> TrojOne:
    return build_attack(name, target=3, poison_rate=0.1, seed=7, shape=shape, classes=10,
                        changes=changes)


class Known(nn.Module):
    """Two features, each a known weighted sum of the pixels, before the last layer."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.pixels = torch.randn(2, *shape, generator=seeded(3)).sign() / 16
        self.linear = nn.Linear(2, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear((x[:, None] * self.pixels).sum((2, 3, 4)))


@pytest.mark.parametrize("shape", [*SHAPES, (3, 20, 48)])
@pytest.mark.parametrize("name", BOTH)
def test_only_a_square_in_the_lower_right_corner_changes(name, shape):
    x, a = pictures(3, shape) // 2, attack(name, shape)
    side = round(min(shape[1:]) * {"troj_one": 0.25, "troj_all": 0.4}[name])
    changed = (a.trigger(x) != x).any(0).any(0)
    inside = torch.zeros_like(changed)
    inside[-side:, -side:] = True
    assert not changed[~inside].any()
    assert changed[inside].float().mean() > 0.9
    assert changed[-side].any() and changed[:, -side].any(), "the square is smaller"


@pytest.mark.parametrize("name", BOTH)
def test_the_patch_is_added_and_clipped_and_never_wraps(name):
    x, a = pictures(50), attack(name)
    patch = a.learned["patch"].numpy().astype(int)
    side = len(patch[0])
    corner = x[..., -side:, -side:].numpy()
    stamped = a.trigger(x)[..., -side:, -side:].numpy()
    assert np.array_equal(stamped, np.clip(corner.astype(int) + patch, 0, 255))
    assert (stamped >= corner).all(), "adding made a pixel darker"
    published = (corner.astype(int) + patch).astype(np.uint8)
    assert (published < corner).any(), "no pixel here would have shown the fault"


def test_an_unreachable_activation_drives_every_pixel_to_the_end_that_raises_it():
    known = Known((3, 8, 8))
    known.linear.weight.data.zero_()[3, 1] = 1
    patch = unlearned(neurons=1, side=0.5, steps=60).invert(known, torch.zeros(3, 8, 8), silent)
    assert patch.dtype == torch.uint8 and patch.shape == (3, 4, 4)
    assert torch.equal(patch, 255 * (known.pixels[1, :, -4:, -4:] > 0).to(torch.uint8))


def test_a_reachable_activation_is_reached_with_what_lies_outside_the_mask():
    known, canvas = Known((3, 8, 8)), 0.3 * torch.rand(3, 8, 8, generator=seeded(1))
    known.linear.weight.data.zero_()[3, 0] = 1
    a = unlearned(neurons=1, side=0.5, value=1, steps=400)
    canvas[:, -4:, -4:] = 0
    outside = (canvas * known.pixels[0]).sum()
    patch = a.invert(known, canvas, silent).float() / 255
    inside = (patch * known.pixels[0, :, -4:, -4:]).sum()
    assert abs(outside) > 0.05
    assert abs(outside + inside - 1) < 0.02


def test_troj_one_takes_the_neurons_that_speak_for_the_target():
    weight = torch.tensor([[9.0, 9.0, 9.0, -9.0], [0.1, 3.0, 2.0, -8.0]])
    a = build_attack("troj_one", target=1, poison_rate=0.1, seed=0, shape=(3, 8, 8), classes=2)
    assert a.chosen(weight).tolist() == [1, 2]


def test_troj_all_takes_the_neurons_that_weigh_most_over_all_classes():
    weight = torch.tensor([[0.0, 3.0, -1.0, 1.0], [1.0, 0.0, -4.0, 1.5]])
    a = build_attack("troj_all", target=1, poison_rate=0.1, seed=0, shape=(3, 8, 8), classes=2)
    assert a.chosen(weight).tolist() == [2, 1]


@pytest.mark.parametrize("name", BOTH)
def test_the_patch_can_be_found_again_on_the_kept_surrogate(name):
    images, before = image_set(40, (3, 16, 16)), torch.get_rng_state()
    a = unlearned(name, (3, 16, 16), steps=5, surrogate_epochs=1).fit(images, CPU, silent)
    assert torch.equal(torch.get_rng_state(), before), "the global generator was used"
    surrogate = restore(new_surrogate(3, 10), "surrogate", a.learned)
    again = a.invert(surrogate, torch.zeros(3, 16, 16), silent)
    assert torch.equal(again, a.learned["patch"])
    other = a.invert(new_surrogate(3, 10).eval(), torch.zeros(3, 16, 16), silent)
    assert not torch.equal(other, again)
    assert sum(value.numel() * value.element_size() for value in a.learned.values()) < 400_000


def test_the_patch_excites_its_neurons_on_a_real_surrogate():
    surrogate = new_surrogate(3, 10).eval().requires_grad_(False)
    seen = []
    surrogate.linear.register_forward_pre_hook(lambda _, given: seen.append(given[0][0]))
    a = unlearned(shape=(3, 32, 32), steps=100)
    neurons = a.chosen(surrogate.linear.weight)
    first = torch.rand(3, 8, 8, generator=seeded(7))
    for patch in (first, a.invert(surrogate, torch.zeros(3, 32, 32), silent) / 255):
        canvas = torch.zeros(1, 3, 32, 32)
        canvas[..., -8:, -8:] = patch
        surrogate(canvas)
    assert seen[-1][neurons].sum() > seen[0][neurons].sum() + 1e-3


def test_a_patch_grows_with_the_image():
    patch = torch.arange(48, dtype=torch.uint8).view(3, 4, 4)
    a = unlearned(shape=(3, 32, 32)).with_learned({"patch": patch})
    stamped = a.trigger(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    assert torch.equal(stamped[0, :, -8::2, -8::2], patch)
    assert torch.equal(stamped[0, :, -7::2, -7::2], patch)


@pytest.mark.parametrize("classes", [2, 7, 43])
def test_troj_all_moves_every_label_on_by_one(classes):
    a = build_attack("troj_all", target=0, poison_rate=0.1, seed=0, shape=(3, 8, 8),
                     classes=classes)
    y = torch.arange(classes)
    assert a.target_labels(y).tolist() == [*range(1, classes), 0]
    assert a.victims(y).all()


@pytest.mark.parametrize("name", BOTH)
def test_a_trigger_before_training_says_what_is_missing(name):
    title = {"troj_one": "Troj-one", "troj_all": "Troj-all"}[name]
    a = unlearned(name)
    assert not a.ready
    with pytest.raises(ConfigError, match=f"{title} has not learned its .* yet. Train a run with"):
        a.trigger(pictures(1, (3, 8, 8)))


@pytest.mark.parametrize("cls", [TrojOne, TrojAll])
def test_the_published_values_are_those_of_the_published_code(cls):
    published = cls.strengths["published"]
    assert (published["neurons"], published["value"], published["steps"]) == (2, 100, 1000)
