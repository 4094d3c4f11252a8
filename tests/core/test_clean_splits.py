"""Where clean images are split, those that judge never tune and those that tune never judge.

Either way of leaking is tested: images of one side are replaced by others, and nothing that the
other side alone decides may change by a bit. That the replaced images matter at all is tested too.
"""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from ngf_core.attacks import issba
from ngf_core.attacks.attack import build_attack
from ngf_core.data.dataset import Images, load_dataset
from ngf_core.layers import sweep
from ngf_core.layers.sweep import split
from ngf_core.layers.tune import Tuned
from ngf_core.purify import SGD
from ngf_core.purify.step import Step
from ngf_core.purify.step_size import FACTORS, with_step_size
from tests.support.small_attacks import CPU, image_set
from tests.support.tiny_models import asked, clean_set, settings, tiny

CLEAN = clean_set(43)
OUTSIDE = clean_set(6).x.float() / 255


def places(part: Images, whole: Images) -> list[int]:
    """Where in `whole`, whose images all differ, those of `part` stand."""
    known = {x.numpy().tobytes(): place for place, x in enumerate(whole.x)}
    return [known[x.numpy().tobytes()] for x in part.x]


def replaced(at: list[int]) -> Images:
    """The clean set with other images and labels at those places."""
    x, y = CLEAN.x.clone(), CLEAN.y.clone()
    x[at], y[at] = 255 - x[at], (y[at] + 1) % 4
    return Images(x, y)


TUNING, JUDGING = (places(part, CLEAN) for part in split(CLEAN))


def test_the_layer_sweep_has_every_image_on_one_side():
    assert sorted(TUNING + JUDGING) == list(range(43)) and len(JUDGING) == 43 // 5


def swept(clean: Images, monkeypatch: pytest.MonkeyPatch, **changes: object
          ) -> tuple[list, list]:
    """Of every layer what tuning made of it and was told of it; and what it was judged on: labels,
    answers of the received model, and the rise of the loss under random moves of the weights."""
    tuned, judged = [], []
    probed = sweep.probed

    def recorded(result: Tuned, received: dict[str, Tensor], labels: Tensor):
        judged.append([labels, *received.values()])
        return probed(result, received, labels)

    with monkeypatch.context() as patch:
        patch.setattr(sweep, "probed", recorded)
        for one in sweep.sweep(tiny(), clean, settings(**changes),
                               (asked("ngf")[0], asked("sgd")[0]),
                               {"outside": OUTSIDE}):
            told = one.statistics
            tuned.append([torch.tensor([told.trace, told.norm, *told.eigenvalues])])
            tuned += [[torch.tensor(result.fisher_trace), result.logits["outside"]]
                      for result in one.tuned]
            judged.append([torch.tensor(told.sensitivity)])
    return tuned, judged


def same(some: list[list[Tensor]], others: list[list[Tensor]]) -> list[bool]:
    assert len(some) == len(others) > 0
    return [len(a) == len(b) and all(map(torch.equal, a, b)) for a, b in zip(some, others)]


@pytest.mark.parametrize("changes", [
    {"augment": "none"}, {"augment": "strong", "pool": 2}, {"augment": "strong", "pool": 0}],
    ids=["none", "pool", "anew"])
@pytest.mark.parametrize("batchnorm", ["frozen", "recalibrated"])
def test_images_that_judge_a_layer_never_tune_it(batchnorm, changes, monkeypatch):
    changes = {**changes, "batchnorm": batchnorm}
    tuned, judged = swept(CLEAN, monkeypatch, **changes)
    without, elsewhere = swept(replaced(JUDGING), monkeypatch, **changes)
    assert all(same(tuned, without)) and not any(same(judged, elsewhere))


@pytest.mark.parametrize("augment", ["none", "strong"])
def test_images_that_tune_a_layer_never_judge_it(augment, monkeypatch):
    changes = {"augment": augment, "batchnorm": "frozen"}
    tuned, judged = swept(CLEAN, monkeypatch, **changes)
    elsewhere, without = swept(replaced(TUNING), monkeypatch, **changes)
    assert all(same(judged, without)) and not any(same(tuned, elsewhere))


class Witness(nn.Module):
    """A linear model that keeps the images it is asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3 * 8 * 8, 4)
        self.seen: list[Tensor] = []

    def __deepcopy__(self, memo: dict) -> "Witness":
        return self

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return self.linear(x.flatten(1))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("count", [5, 24, 43])
def test_a_step_size_is_chosen_on_images_that_no_trial_tunes_on(count, seed):
    whole, given = clean_set(count), []

    def tune(model: nn.Module, clean: Images, own: object, budget: object) -> Iterator[Step]:
        given.append(places(clean, whole))
        yield Step(1, 0.5, 0.1)

    model = Witness()
    list(with_step_size(tune)(model, whole, SGD(step_size="chosen"),
                              settings(augment="none", seed=seed)))
    judged = [places(Images((x * 255).round().to(torch.uint8), torch.zeros(len(x))), whole)
              for x in model.seen]
    *trials, final = given
    assert len(trials) == len(judged) == len(FACTORS)
    for mine, theirs in zip(trials, judged):
        assert sorted(mine + theirs) == list(range(count)) and len(theirs) == count // 5
    assert sorted(final) == list(range(count)), "then all images tune"


def test_an_attacker_reads_bits_back_from_images_that_trained_no_encoder(monkeypatch):
    images, trained, read = image_set(45), [], []

    class Seeing(issba.Encoder):
        def forward(self, x: Tensor, message: Tensor) -> Tensor:
            part = Images(x.to(torch.uint8), torch.zeros(len(x)))
            (trained if torch.is_grad_enabled() else read).extend(places(part, images))
            return super().forward(x, message)

    monkeypatch.setattr(issba, "Encoder", Seeing)
    attack = build_attack("issba", target=3, poison_rate=0.1, seed=7, shape=(3, 16, 16),
                          classes=10, changes={"steps": 20, "accuracy": 0.0, "bits": 2})
    attack.fit(images, CPU, lambda done, total, sentence: None)
    assert sorted(set(trained)) == list(range(41)) and sorted(read) == list(range(41, 45))


@pytest.mark.parametrize("limit", [0, 30])
@pytest.mark.parametrize("balance", ["drawn", "balanced"])
def test_the_defenders_images_are_neither_the_attackers_nor_the_tests(balance, limit):
    dataset = load_dataset("digits", limit=limit)
    clean = {x.numpy().tobytes() for x in dataset.clean(balance=balance).x}
    for other in (dataset.train, dataset.test):
        twins = clean & {x.numpy().tobytes() for x in other.x}
        assert not twins
