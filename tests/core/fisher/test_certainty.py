"""The floor under the relative damping where a model is certain, against loops of autograd."""

import math

import pytest
import torch
from torch import nn

from ngf_core.errors import NGFError
from ngf_core.fisher import FISHERS, certainty
from ngf_core.fisher.certainty import LEAST_DOUBT, doubt, least_trace, margin_hold
from ngf_core.fisher.metric import metric
from ngf_core.fisher.natural import Damping, natural_direction
from ngf_core.fisher.per_sample import tap_all
from tests.support.dense_fisher import tiny
from tests.support.seeded import seeded

LAYERS = pytest.mark.parametrize("names", [["conv"], ["linear"], ["conv", "linear"]])


def taps_of(model: nn.Module, names: list[str], x: torch.Tensor):
    return tap_all(model, [getattr(model, name) for name in names], x)


def sharpened(factor: float, n: int = 11) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """`tiny` with its logits multiplied by `factor`, and its own answers as the labels."""
    model, x, _ = tiny(n)
    with torch.no_grad():
        model.linear.weight.mul_(factor)
        model.linear.bias.mul_(factor)
        return model, x, model(x).argmax(1)


def hold_by_loop(model: nn.Module, names: list[str], x: torch.Tensor) -> float:
    weights = [p for name in names for p in getattr(model, name).parameters()]
    total = 0.0
    for one in x:
        first, second = model(one[None])[0].sort(descending=True).values[:2]
        parts = torch.autograd.grad(first - second, weights)
        total += sum(float(part.square().sum()) for part in parts) / 2
    return total / len(x)


@LAYERS
def test_the_hold_is_the_mean_squared_gradient_of_the_margins(names):
    model, x, _ = tiny(11)  # more than a chunk
    found = margin_hold(taps_of(model, names, x))
    assert found == pytest.approx(hold_by_loop(model, names, x), rel=1e-9)


def test_the_doubt_by_hand():
    p = torch.tensor([[0.9, 0.06, 0.04], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]).double()
    assert doubt(p.log()) == pytest.approx((0.1**2 + 0.5**2) / 3)


@LAYERS
def test_a_floor_stands_where_the_doubt_is_below_the_least_one(names, monkeypatch):
    model, x, _ = tiny(11)
    taps = taps_of(model, names, x)
    own = doubt(taps[0].logits)
    for least, expected in ((0.999 * own, 0.0),
                            (1.001 * own, 1.001 * own * hold_by_loop(model, names, x))):
        monkeypatch.setattr(certainty, "LEAST_DOUBT", least)
        assert least_trace(taps) == pytest.approx(expected, rel=1e-9)


def test_the_fisher_needs_no_floor_above_the_least_doubt():
    """|p - e_y| >= 1 - max p for every label y."""
    logits = 5 * torch.randn(50, 6, generator=seeded(), dtype=torch.float64)
    p = logits.softmax(1)
    for y in range(6):
        size = (p - nn.functional.one_hot(torch.tensor(y), 6)).norm(dim=1)
        assert (size >= 1 - p.amax(1) - 1e-12).all()


@pytest.mark.parametrize("kind", FISHERS)
@LAYERS
def test_the_damping_of_every_metric_has_the_floor(kind, names):
    model, x, y = sharpened(1e4)
    taps = taps_of(model, names, x)
    found = metric(kind, Damping(0.1), seeded())
    gradient = found.observe(taps, nn.functional.cross_entropy(taps[0].logits, y), y)
    exact = names == ["linear"] and kind in ("true", "diagonal")
    rows = taps[0].logits.numel() if exact else len(x)
    expected = 0.1 * LEAST_DOUBT * hold_by_loop(model, names, x) / rows
    solved = found.solve(gradient + 1e-4)
    assert solved.damping == pytest.approx(expected, rel=1e-9)
    assert solved.direction.norm() <= (gradient + 1e-4).norm() / expected * (1 + 1e-9)


@pytest.mark.parametrize("kind", FISHERS)
def test_a_step_changes_the_margins_by_no_more_than_the_bound_allows(kind):
    """To first order, in root mean square: sqrt(2 B r / (rho q_0))."""
    model, x, y = sharpened(1e4)
    taps = taps_of(model, ["conv"], x)
    found = metric(kind, Damping(0.1), seeded())
    gradient = found.observe(taps, nn.functional.cross_entropy(taps[0].logits, y), y)
    solved = found.solve(gradient + 1.0)  # what does not vanish with the Fisher matrix
    step = math.sqrt(0.3 / solved.length) * solved.direction
    weights, start = list(model.conv.parameters()), 0
    first, second = model(x).sort(1, descending=True).values[:, :2].T
    changes = torch.zeros(len(x), dtype=x.dtype)
    for weight in weights:
        part = step[start : start + weight.numel()].view_as(weight)
        start += weight.numel()
        for i in range(len(x)):
            (g,) = torch.autograd.grad(first[i] - second[i], weight, retain_graph=True)
            changes[i] += (g * part).sum()
    limit = math.sqrt(2 * 0.3 * len(x) / (0.1 * LEAST_DOUBT))
    assert 0 < changes.square().mean().sqrt() <= limit


def test_a_model_in_doubt_pays_no_backward_pass(monkeypatch):
    model, x, _ = sharpened(1.0)
    monkeypatch.setattr(certainty, "margin_hold", lambda taps: pytest.fail("it was measured"))
    assert least_trace(taps_of(model, ["conv"], x)) == 0.0


def test_the_least_trace_counts_for_a_relative_damping_alone():
    assert Damping(0.1).of(2.0, 4, least=1.0) == Damping(0.1).of(2.0, 4) == 0.1 * 2.0 / 4
    assert Damping(0.1).of(1e-20, 4, least=1.0) == 0.1 / 4
    assert Damping(0.7, relative=False).of(1e-20, 4, least=1.0) == 0.7
    for trace, least in ((0.0, 0.0), (math.nan, 1.0), (math.inf, 1.0)):
        with pytest.raises(NGFError, match="zero or not finite"):
            Damping(0.1).of(trace, 4, least)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_of_nothing_leave_the_gradients_direction(dtype):
    gradient = torch.randn(40, generator=seeded(), dtype=dtype)
    for rows in (6, 90):
        found = natural_direction(torch.zeros(rows, 40, dtype=dtype), gradient, Damping(0.1), 2.0)
        assert torch.allclose(found.direction, gradient * rows / 0.2)
