"""K-FAC and the diagonal against dense matrices, an explicit solve and a second library."""

import warnings

import pytest
import torch
from torch import nn

from ngf_core.errors import ConfigError, NGFError
from ngf_core.fisher import FISHERS
from ngf_core.fisher.kfac import factors, kfac_direction
from ngf_core.fisher.metric import DiagonalMetric, KroneckerMetric, metric
from ngf_core.fisher.natural import Damping
from ngf_core.fisher.per_sample import tap
from ngf_core.fisher.rows import sampled_rows
from tests.core.fisher.dense import empirical_fisher, seeded, tiny

LAYERS = pytest.mark.parametrize("name", ["conv", "linear"])


def looked(found, model: nn.Module, name: str, x: torch.Tensor, y: torch.Tensor):
    """The gradient that the metric gives of one batch."""
    tapped = tap(model, getattr(model, name), x)
    return found.look(tapped, nn.functional.cross_entropy(tapped.logits, y), y)


def expected_gradient(model: nn.Module, name: str, x: torch.Tensor, y: torch.Tensor):
    loss = nn.functional.cross_entropy(model(x), y)
    parts = torch.autograd.grad(loss, list(getattr(model, name).parameters()))
    return torch.cat([part.reshape(-1) for part in parts])


def given_labels(model: nn.Module, name: str, x: torch.Tensor, y: torch.Tensor):
    tapped = tap(model, getattr(model, name), x)
    losses = nn.functional.cross_entropy(tapped.logits, y, reduction="sum")
    (back,) = torch.autograd.grad(losses, tapped.output)
    return factors(tapped.layer, tapped.input, back)


@LAYERS
@pytest.mark.parametrize("kind", FISHERS)
def test_every_metric_gives_the_gradient_of_the_loss(kind, name):
    model, x, y = tiny()
    found = looked(metric(kind, Damping(0.1), seeded()), model, name, x, y)
    assert torch.allclose(found, expected_gradient(model, name, x, y), rtol=1e-10)


@LAYERS
def test_the_factors_are_those_of_a_second_library(name):
    curvlinops = pytest.importorskip("curvlinops")
    model, x, y = tiny(40)
    found = given_labels(model, name, x, y)
    layer = getattr(model, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = curvlinops.KFACLinearOperator(
            model, nn.CrossEntropyLoss(), list(layer.parameters()), [(x, y)],
            fisher_type="empirical", kfac_approx="expand", separate_weight_and_bias=False)
        dense = theirs @ torch.eye(theirs.shape[1], dtype=x.dtype)
    size = len(dense)
    solved = torch.stack([kfac_direction(found, row, 0.3).direction
                          for row in torch.eye(size, dtype=x.dtype)])
    expected = torch.linalg.inv(dense + 0.3 * torch.eye(size, dtype=x.dtype))
    assert torch.allclose(solved, expected, rtol=1e-6, atol=1e-9)
    assert found.trace == pytest.approx(float(dense.trace()), rel=1e-8)


def test_one_sample_at_one_position_is_exact():
    model, x, y = tiny(1)
    found = given_labels(model, "linear", x, y)
    dense = empirical_fisher(model, "linear", x, y)
    g = torch.randn(len(dense), dtype=x.dtype, generator=seeded())
    expected = torch.linalg.solve(dense + 0.1 * torch.eye(len(dense), dtype=x.dtype), g)
    solved = kfac_direction(found, g, 0.1)
    assert torch.allclose(solved.direction, expected, rtol=1e-8)
    assert solved.length == pytest.approx(float(g @ expected))


def test_a_layer_of_tokens():
    layer = nn.Linear(3, 2).double()
    a = torch.randn(5, 4, 3, dtype=torch.float64, generator=seeded(1))
    dz = torch.randn(5, 4, 2, dtype=torch.float64, generator=seeded(2))
    found = factors(layer, a, dz)
    ones = torch.cat([a, torch.ones(5, 4, 1, dtype=a.dtype)], 2)
    assert torch.allclose(found.inputs, torch.einsum("itk,itl->kl", ones, ones) / 5)
    assert torch.allclose(found.outputs, torch.einsum("ito,itp->op", dz, dz) / 20)


@LAYERS
def test_the_diagonal_is_that_of_the_sampled_rows(name):
    model, x, y = tiny(30)
    found = DiagonalMetric(Damping(0.1), seeded(4))
    g = looked(found, model, name, x, y)
    if name == "conv":  # the last layer's rows are exact, not sampled
        rows = sampled_rows(tap(model, model.conv, x), seeded(4))
        diagonal = (rows**2).sum(0)
        damping = 0.1 * diagonal.sum() / len(rows)
        assert torch.allclose(found.solve(g).direction, g / (diagonal + damping), rtol=1e-9)
    solved = found.solve(g)
    assert solved.length == pytest.approx(float(g @ solved.direction))


def test_moving_averages_and_renewals():
    model, x, y = tiny(20)
    found = KroneckerMetric(Damping(1.0, relative=False), seeded(), decay=0.75, every=2)
    kept = []
    for start in (0, 5, 10, 15):
        part = slice(start, start + 5)
        looked(found, model, "conv", x[part], y[part])
        kept.append(found._found)
    assert kept[0] is kept[1] and kept[2] is kept[3]
    alone = KroneckerMetric(Damping(1.0), seeded())
    generator_used = looked(alone, model, "conv", x[:5], y[:5])
    assert torch.allclose(alone._found.inputs, kept[0].inputs) and generator_used is not None
    looked(alone, model, "conv", x[10:15], y[10:15])
    mixed = 0.75 * kept[0].inputs + 0.25 * alone._found.inputs
    assert torch.allclose(kept[2].inputs, mixed)


def test_absolute_damping_is_taken_as_it_is():
    model, x, y = tiny(20)
    for kind in FISHERS:
        found = metric(kind, Damping(0.7, relative=False), seeded())
        assert found.solve(looked(found, model, "conv", x, y)).damping == 0.7


@pytest.mark.parametrize("kind", FISHERS)
def test_a_fisher_of_zero_is_said(kind):
    model, x, y = tiny()
    nn.init.zeros_(model.linear.weight)
    found = metric(kind, Damping(0.1), seeded())
    gradient = looked(found, model, "conv", x, y)
    with pytest.raises(NGFError, match="Fisher matrix of the tuned layer is zero or not finite"):
        found.solve(gradient)


def test_grouped_convolutions_have_no_two_factors():
    layer = nn.Conv2d(4, 4, 3, groups=2)
    with pytest.raises(ConfigError, match="K-FAC needs a linear layer or a convolution of one"):
        factors(layer, torch.zeros(2, 4, 5, 5), torch.zeros(2, 4, 3, 3))
