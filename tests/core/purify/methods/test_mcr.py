"""MCR: the curve's ends stay where they are, its middle is trained, clean data choose the point."""

import copy

import pytest
import torch
import torch.nn.functional as F

from ngf_core.errors import ConfigError
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.methods import mcr as module
from ngf_core.purify.methods.mcr import POINTS, Curve, choose, mcr, named
from ngf_core.purify.step import Diverged
from ngf_core.purify.weights import flat
from tests.support.planted_backdoor import coloured_set, planted, rates
from tests.support.tiny_models import asked, clean_set, settings, tiny

CPU = torch.device("cpu")
EXACT = {"batchnorm": "frozen", "augment": "none", "batch_size": 64}


def weights(model: torch.nn.Module) -> torch.Tensor:
    return flat(list(model.parameters()))


def spied(monkeypatch, model, clean, own, config) -> tuple[list, Curve, list[torch.Tensor], dict]:
    """Steps, the curve, the bend before each update and what `choose` was told."""
    curves, bends, told = [], [], {}

    class Watched(Curve):
        def at(self, t):
            if not curves:
                curves.append(self)
                told["ends"] = (self.start.clone(), self.end.clone())
            bends.append(self.bend.detach().clone())
            return super().at(t)

    def middle(model, tuned, curve, batches, tolerance):
        told["tuned"] = tuned
        return 0.5, {}

    monkeypatch.setattr(module, "Curve", Watched)
    monkeypatch.setattr(module, "choose", middle)
    return list(mcr(model, clean, own, config)), *curves, bends, told


def test_the_curve_ends_at_the_received_and_the_fine_tuned_weights(monkeypatch):
    model, clean, received = tiny(), clean_set(), weights(tiny())
    steps, curve, bends, told = spied(monkeypatch, model, clean,
                                         *asked("mcr", **EXACT, steps=20))
    assert torch.equal(curve.at(0), received)
    assert torch.equal(curve.at(1), weights(told["tuned"]))
    assert not torch.equal(weights(told["tuned"]), received)
    assert torch.equal(curve.start, told["ends"][0]) and torch.equal(curve.end, told["ends"][1])
    assert torch.equal(bends[0], (curve.start + curve.end) / 2)
    assert (curve.bend - bends[0]).norm() > 1e-3, "the middle was not trained"
    assert [s.step for s in steps] == list(range(1, 21))
    expected = curve.start / 4 + curve.bend / 2 + curve.end / 4
    assert torch.allclose(weights(model), expected, atol=1e-6)


def test_the_copy_is_fine_tuned_by_sgd(monkeypatch):
    own, config = asked("mcr", **EXACT, steps=2, lr=0.1)
    _, _, _, told = spied(monkeypatch, tiny(), clean_set(), own, config)
    reference = tiny().eval()
    x, y = CleanBatches(clean_set(), config, CPU)(0)
    slopes = torch.autograd.grad(F.cross_entropy(reference(x), y), list(reference.parameters()))
    for p, q, slope in zip(told["tuned"].parameters(), reference.parameters(), slopes):
        assert torch.allclose(p, q - 0.1 * slope, atol=1e-6)


def test_the_bend_descends_the_loss_of_a_random_point(monkeypatch):
    own, config = asked("mcr", **EXACT, steps=2, curve_lr=0.5)
    _, curve, bends, _ = spied(monkeypatch, tiny(), clean_set(), own, config)
    t = torch.rand((), generator=torch.Generator().manual_seed(config.seed)).item()
    bend = bends[0].clone().requires_grad_(True)
    point = Curve(curve.start, bend, curve.end).at(t)
    x, y = CleanBatches(clean_set(), config, CPU)(1)
    model = tiny().eval()
    loss = F.cross_entropy(torch.func.functional_call(model, named(model, point), (x,)), y)
    (slope,) = torch.autograd.grad(loss, bend)
    assert slope.norm() > 1e-3
    assert torch.allclose(curve.bend, bends[0] - 0.5 * slope, atol=1e-6)


def test_the_curve_is_the_bezier_of_its_three_points():
    a, b, c = torch.tensor([[0.0, 0], [1, 2], [2, 0]])
    curve = Curve(a, b, c)
    for t in (0.0, 0.25, 0.7, 1.0):
        first, second = a + t * (b - a), b + t * (c - b)  # de Casteljau
        assert torch.allclose(curve.at(t), first + t * (second - first))


@pytest.mark.parametrize(("bad", "tolerance", "expected"), [
    ((), 0.0, 0.5), ((0.5,), 0.1, 0.4), ((0.5, 0.4, 0.3), 0.1, 0.6), ((0.5,), 1.0, 0.5)])
def test_the_point_nearest_to_the_middle_that_clean_data_allow(monkeypatch, bad, tolerance,
                                                               expected):
    batches = CleanBatches(clean_set(), settings(**EXACT), CPU)
    model, tuned = tiny(), tiny()
    curve = Curve(*(torch.full_like(weights(model), v) for v in (0.0, 0.5, 1.0)))  # w(t) = t
    monkeypatch.setattr(module, "clean_accuracy", lambda network, _: 0.9 if network is tuned else (
        0.5 if round(weights(network)[0].item(), 1) in bad else 0.9))
    t, seen = choose(model, tuned, curve, batches, tolerance)
    assert t == expected
    assert list(seen) == [str(t) for t in POINTS[: POINTS.index(expected) + 1]]


def test_the_most_accurate_point_where_none_is_good_enough(monkeypatch):
    batches = CleanBatches(clean_set(), settings(**EXACT), CPU)
    model, tuned = tiny(), tiny()
    curve = Curve(*(torch.full_like(weights(model), v) for v in (0.0, 0.5, 1.0)))
    monkeypatch.setattr(module, "clean_accuracy", lambda network, _: 0.9 if network is tuned else (
        1 - abs(weights(network)[0].item() - 0.8)) / 2)
    t, seen = choose(model, tuned, curve, batches, 0.1)
    assert t == 0.8 and len(seen) == 9


def test_the_chosen_points_statistics_are_its_own():
    model = tiny()
    own, config = asked("mcr", **EXACT | {"batchnorm": "recalibrated"}, steps=10)
    *_, last = mcr(model, clean_set(), own, config)
    again = copy.deepcopy(model)
    module.recalibrate_batchnorm(again, CleanBatches(clean_set(), settings(**EXACT), CPU))
    assert torch.allclose(model.bn2.running_mean, again.bn2.running_mean)
    assert last.found["t"] in POINTS and last.found["accuracy"]


def test_clean_accuracy_stays_on_a_network_that_has_learned():
    model = planted()
    list(mcr(model, coloured_set(), *asked("mcr", **EXACT, steps=20)))
    assert rates(model)[0] > 0.95


def test_one_pass_is_too_few_and_a_loss_that_is_not_finite_ends_it():
    with pytest.raises(ConfigError, match="1 pass does not suffice to fine-tune and to bend"):
        list(mcr(tiny(), clean_set(), *asked("mcr", **EXACT, steps=1)))
    model = tiny()
    with torch.no_grad():
        model.linear.bias.fill_(torch.inf)
    with pytest.raises(Diverged, match="MCR's fine-tuning diverged"):
        list(mcr(model, clean_set(), *asked("mcr", **EXACT)))
