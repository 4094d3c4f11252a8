"""Triggered images made batch by batch: the same to the last bit, and never all in memory."""

import weakref
from dataclasses import dataclass, field, replace
from typing import ClassVar

import pytest
import torch
from torch import nn

from ngf_core.attacks.attack import PART, Attack, build_attack
from ngf_core.data.dataset import Images, load_dataset
from ngf_core.evaluate import test_set
from ngf_core.evaluate.stamped import Stamped
from ngf_core.evaluate.test_set import TestSet, build_test_set, evaluate
from ngf_core.models.build import build_model

FORMULAS = ("badnets", "blend", "sig", "wanet", "bpp")


def attack(name: str, images: Images, classes: int = 10) -> Attack:
    return build_attack(name, target=2, poison_rate=0.1, seed=0, shape=images.shape,
                        classes=classes)


def at_once(images: Images, made: Attack) -> TestSet:
    """The test set as a whole, as it was built before there was a lazy one."""
    victims = images.take(made.victims(images.y))
    x = torch.cat([made.trigger(part) for part in victims.x.split(PART)])
    return TestSet(images, Images(x, victims.y), made.target_labels(victims.y))


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("kept", [0, 10**9])
def test_rates_and_pixels_are_those_of_the_whole_set_to_the_last_bit(name, kept, monkeypatch):
    images = load_dataset("signs").test.take(slice(0, PART + 100))
    made = attack(name, images)
    whole = at_once(images, made)
    monkeypatch.setattr(test_set, "KEPT", kept)
    test = build_test_set(images, made)
    assert isinstance(test.triggered, Images if kept else Stamped)
    assert len(test.triggered) == len(whole.triggered) > PART
    assert torch.equal(test.triggered.x, whole.triggered.x)
    assert torch.equal(test.triggered.y, whole.triggered.y)
    assert torch.equal(test.wanted, whole.wanted)
    model = build_model("mini_preact_resnet", images.shape, 10).eval()
    answers = test_set.answers(model, test.triggered)
    assert torch.equal(answers, test_set.predict(model, whole.triggered.x))
    assert evaluate(model, test) == evaluate(model, whole)


@dataclass(frozen=True)
class Noted(Attack):
    """Adds the number of images that are stamped at a time, and notes the most bytes alive."""

    title: ClassVar[str] = "noted"
    reference: ClassVar[str] = ""
    formula: ClassVar[str] = ""
    strengths: ClassVar = {"default": {}}
    knobs: ClassVar = {}
    bytes: dict[str, int] = field(default_factory=lambda: {"alive": 0, "most": 0, "calls": 0})

    def trigger(self, x: torch.Tensor) -> torch.Tensor:
        made, noted = x + len(x) % 251, self.bytes
        size = made.nbytes
        noted["alive"] += size
        noted["calls"] += 1
        noted["most"] = max(noted["most"], noted["alive"])

        def gone() -> None:
            noted["alive"] -= size

        weakref.finalize(made.untyped_storage(), gone)
        return made


def large(count: int) -> Images:
    """A set of `count` images that takes the memory of one."""
    x = torch.zeros(1, 3, 32, 32, dtype=torch.uint8).expand(count, 3, 32, 32)
    return Images(x, torch.arange(count) % 10)


@pytest.mark.parametrize("size", [1, 7, 250, 499, 500, 501, 1300, 10**4])
def test_batches_of_any_size_are_cut_from_the_same_parts(size):
    images = large(1402)
    made = Noted(2, 0.1, 0, images.shape, 10)
    stamped = Stamped(images, made.victims(images.y).nonzero()[:, 0], made)
    batches = list(stamped.batches(size))
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    assert torch.equal(torch.cat(batches), at_once(images, made).triggered.x)


def test_a_set_larger_than_the_bound_is_never_held():
    images = large(100_000)
    made = Noted(2, 0.1, 0, images.shape, 10)
    test = build_test_set(images, made)
    assert test.triggered.nbytes > test_set.KEPT and made.bytes["calls"] == 0

    class Guess(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = nn.Parameter(torch.tensor([0.0, 0, 1, 0, 0, 0, 0, 0, 0, 0]))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.bias.expand(len(x), 10)

    found = evaluate(Guess(), test)
    assert found.asr.n == found.asr.hits == 90_000 and found.ra.hits == 0
    part = PART * images.x[:1].nbytes
    assert made.bytes["calls"] == 90_000 // PART
    assert 0 < made.bytes["most"] <= 2 * part < test.triggered.nbytes / 50
    assert made.bytes["alive"] == 0


def test_no_victims():
    images = replace(large(20), y=torch.full((20,), 2))
    assert len(build_test_set(images, attack("badnets", images)).triggered) == 0
