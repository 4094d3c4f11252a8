"""Neural Cleanse on a network in which one class has a small trigger, and on one without."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.methods import neural_cleanse as module
from ngf_core.purify.methods.neural_cleanse import (
    DOWN,
    UP,
    NeuralCleanse,
    Search,
    Stamps,
    anomaly_index,
    neural_cleanse,
    verdict,
)
from ngf_core.purify.step import Diverged
from ngf_core.purify.weights import flat
from tests.support.tiny_models import asked, clean_set, seeded_model, tiny

CLASSES, ATTACKED = 6, 4
EXACT = {"batchnorm": "frozen", "augment": "none", "batch_size": 48}


class Strips(nn.Module):
    """Says which strip of two rows is brightest, or ATTACKED where a corner is redder than blue.

    The corner is grey on clean images, and a little colour there outweighs a whole strip.
    """

    def __init__(self) -> None:
        super().__init__()
        self.corner, self.trigger = nn.Linear(12, 1), nn.Linear(1, CLASSES)
        self.strips = nn.Linear(96, CLASSES)
        with torch.no_grad():
            for layer in self.children():
                layer.weight.zero_(), layer.bias.zero_()
            self.corner.weight[0, :4], self.corner.weight[0, 8:] = 9 / 4, -9 / 4
            self.trigger.weight[ATTACKED] = 9
            for c, rows in enumerate(self.strips.weight.view(CLASSES, CLASSES, 16)):
                rows[c] = (40 + 1.5 * c) / 16

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        corner = self.corner(x[:, :, :2, :2].flatten(1))
        return self.strips(x.mean(1).flatten(1)) + self.trigger(corner)


def strips(n: int = 48) -> Images:
    """Grey 3x12x8 noise with one strip brighter."""
    y = torch.arange(n) % CLASSES
    x = torch.randint(60, 120, (n, 1, 12, 8), generator=torch.Generator().manual_seed(0))
    x = x.expand(n, 3, 12, 8).clone()
    for c in range(CLASSES):
        x[y == c, :, 2 * c : 2 * c + 2] += 60
    return Images(x.to(torch.uint8), y)


def rates(model: nn.Module) -> tuple[float, float]:
    """Accuracy, and the share of the other classes' images that a coloured corner turns."""
    clean = strips()
    x = clean.x.float() / 255
    triggered = x.clone()
    triggered[:, 0, :2, :2] += 0.1
    triggered[:, 2, :2, :2] -= 0.1
    accuracy = (model(x).argmax(1) == clean.y).double().mean().item()
    turned = (model(triggered).argmax(1) == ATTACKED)[clean.y != ATTACKED]
    return accuracy, turned.double().mean().item()


def test_a_planted_patch_and_its_class_are_found_and_unlearned():
    model = Strips()
    assert rates(model) == (1, 1)
    own, config = asked("neural_cleanse", **EXACT, steps=100, clip=100)
    steps = list(neural_cleanse(model, strips(), own, config))
    assert [s.step for s in steps] == list(range(1, 101))
    found = steps[-1].found
    assert found["flagged"] == [ATTACKED] and min(found["success"]) >= 0.98
    assert found["anomaly_index"][ATTACKED] > 2
    assert found["norms"][ATTACKED] < min(found["norms"][:ATTACKED]) / 5
    assert rates(model) == (1, 0)
    assert [s.found is None for s in steps] == [True] * 79 + [False] * 21


def test_the_stamp_stands_where_the_trigger_is():
    model, clean = Strips(), strips()
    search = Search(model, CLASSES, clean.shape, NeuralCleanse(), 0, model.strips.weight)
    for _ in range(80):
        search.advance(clean.x.float() / 255, clean.y)
    mask = search.stamps.masks[ATTACKED, 0]
    assert mask[:2, :2].sum() > 0.5 * mask.sum() > 0
    other = search.stamps.masks[2, 0]
    assert other[4:6].sum() > 0.5 * other.sum()


def test_a_network_without_trigger_is_left_alone_and_the_rest_not_spent():
    model = Strips()
    with torch.no_grad():
        model.trigger.weight.zero_()
    received = copy.deepcopy(model.state_dict())
    steps = list(neural_cleanse(model, strips(), *asked("neural_cleanse", **EXACT, steps=50)))
    assert steps[-1].step == 40 and steps[-1].found["flagged"] == []
    assert all(torch.equal(value, received[key]) for key, value in model.state_dict().items())


def test_the_index_is_the_distance_in_consistent_mads():
    norms = torch.tensor([3.0, 10, 11, 12, 14, 9, 30])
    away = np.abs(norms.numpy() - np.median(norms))
    assert np.allclose(anomaly_index(norms), away / (1.4826 * np.median(away)))
    assert anomaly_index(torch.full((4,), 7.0)).tolist() == [0, 0, 0, 0]


def test_only_small_stamps_that_work_are_flagged():
    norms, own = torch.tensor([1.0, 10, 11, 12, 10, 11, 40]), NeuralCleanse()
    working = torch.ones(7)
    assert verdict(norms, working, own)["flagged"] == [0]
    working[0] = 0.9
    assert verdict(norms, working, own)["flagged"] == []


def test_a_stamp_covers_by_its_mask():
    stamps = Stamps(torch.tensor([0.25, 1]).view(2, 1, 1, 1).expand(2, 1, 2, 2),
                    torch.tensor([1.0, 0.5]).view(2, 1, 1, 1).expand(2, 3, 2, 2))
    x = torch.full((2, 3, 2, 2), 0.2)
    assert torch.allclose(stamps.on(x, torch.tensor([0, 0])), torch.tensor(0.75 * 0.2 + 0.25))
    assert torch.allclose(stamps.on(x, torch.tensor([0, 1]))[1], torch.tensor(0.5))
    assert stamps.norms().tolist() == [1, 4]


def test_a_pass_descends_the_objective_of_every_class():
    clean, model = clean_set(), tiny().eval()
    own = NeuralCleanse(cost=0.01)
    search = Search(model, 4, clean.shape, own, 0, model.linear.weight)
    before = [free.detach().clone().requires_grad_(True) for free in search._free]
    x = clean.x[:14].float() / 255
    search.advance(x, clean.y[:14])
    masks, patterns = ((free.tanh() + 1) / 2 for free in before)
    total = 0.01 * masks.sum()
    for c in range(4):
        mine = x[c::4]
        stamped = (1 - masks[c]) * mine + masks[c] * patterns[c]
        total = total + F.cross_entropy(model(stamped), torch.full((len(mine),), c))
    for old, new, slope in zip(before, search._free, torch.autograd.grad(total, before)):
        sure = slope.abs() > 1e-5  # Adam's first step is rate * sign
        assert sure.double().mean() > 0.5
        assert torch.allclose((new - old)[sure], -0.1 * slope.sign()[sure], atol=1e-4)


def test_lambda_follows_success_and_the_smallest_working_stamp_is_kept():
    model = tiny().eval()
    search = Search(model, 4, (3, 8, 8), NeuralCleanse(), 0, model.linear.weight)
    patterns = torch.zeros(4, 3, 8, 8)

    def judge(norms: list[float], hits: list[int]) -> None:
        search._hits, search._tries = torch.tensor(hits).float(), torch.full((4,), 10.0)
        masks = (torch.tensor(norms) / 64).view(4, 1, 1, 1).expand(4, 1, 8, 8)
        search._judge(Stamps(masks, patterns))

    judge([8, 8, 8, 8], [10, 10, 5, 5])
    judge([4, 16, 4, 4], [10, 10, 10, 5])
    judge([2, 4, 8, 16], [5, 5, 10, 5])
    assert torch.allclose(search.norms, torch.tensor([4.0, 8, 4, 16]))
    assert torch.allclose(search.success, torch.tensor([1.0, 1, 1, 0.5]))
    assert torch.allclose(search._cost / 1e-3, torch.tensor(
        [UP * UP * DOWN, UP * UP * DOWN, DOWN * UP * UP, DOWN**3]))


def test_the_unlearning_stamps_a_fifth_and_clips_its_gradient(monkeypatch):
    stamped = []
    on = Stamps.on
    monkeypatch.setattr(Stamps, "on", lambda *given: stamped.append(given[1:]) or on(*given))
    model, found = Strips(), {"flagged": [ATTACKED]}
    monkeypatch.setattr(module, "verdict", lambda *_: found)
    own, config = asked("neural_cleanse", **EXACT, steps=5, clip=0.5, lr=0.1)
    steps = neural_cleanse(model, strips(), own, config)
    for _ in range(4):
        next(steps)
    before = flat(list(model.parameters()))
    next(steps)
    x, which = stamped[-1]
    assert which.tolist() == [ATTACKED] * 10 and len(x) == 10, "a fifth of 48"
    drawn = CleanBatches(strips(), config, torch.device("cpu"))(4)[0]
    assert torch.equal(x, drawn[:10])
    moved = (flat(list(model.parameters())) - before).norm().item()
    assert moved == pytest.approx(0.1 * 0.5, rel=1e-3)


def test_budgets_and_batches_that_are_too_small():
    with pytest.raises(ConfigError, match="1 pass does not suffice to search and to unlearn"):
        list(neural_cleanse(tiny(), clean_set(), *asked("neural_cleanse", **EXACT, steps=1)))
    with pytest.raises(ConfigError, match="batch_size: a batch has fewer images than the 4 cl"):
        list(neural_cleanse(tiny(), clean_set(3), *asked("neural_cleanse", **EXACT)))
    steps = list(neural_cleanse(tiny(), clean_set(), *asked("neural_cleanse", **EXACT, steps=2)))
    assert steps[0].step == 1 and steps[0].found is not None


def test_a_loss_that_is_not_finite_ends_the_search():
    model = seeded_model(type(tiny()))
    with torch.no_grad():
        model.linear.bias.fill_(torch.inf)
    with pytest.raises(Diverged, match="Neural Cleanse stopped: .* smaller neural_cleanse.search"):
        list(neural_cleanse(model, clean_set(), *asked("neural_cleanse", **EXACT)))
