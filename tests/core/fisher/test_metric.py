"""K-FAC and the diagonal against dense matrices, an explicit solve and a second library."""

import warnings

import pytest
import torch
from torch import nn

from ngf_core.errors import ConfigError, NGFError
from ngf_core.fisher import FISHERS
from ngf_core.fisher import metric as metrics
from ngf_core.fisher.kfac import factors, kfac_direction
from ngf_core.fisher.metric import DiagonalMetric, KroneckerMetric, MeanMetric, metric
from ngf_core.fisher.natural import Damping
from ngf_core.fisher.per_sample import tap, tap_all
from ngf_core.fisher.rows import drawn_labels, joint_rows, sampled_rows
from tests.support.dense_fisher import empirical_fisher, looped_gradients, tiny
from tests.support.seeded import seeded

LAYERS = pytest.mark.parametrize("name", ["conv", "linear"])


def observed(found, model: nn.Module, names: str, x: torch.Tensor, y: torch.Tensor):
    """The gradient that the metric gives of one batch, in the layers `names`."""
    taps = tap_all(model, [getattr(model, name) for name in names.split(",")], x)
    return found.observe(taps, nn.functional.cross_entropy(taps[0].logits, y), y)


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
    found = observed(metric(kind, Damping(0.1), seeded()), model, name, x, y)
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
    g = observed(found, model, name, x, y)
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
        observed(found, model, "conv", x[part], y[part])
        kept.append(found._found[0])
    assert kept[0] is kept[1] and kept[2] is kept[3]
    alone = KroneckerMetric(Damping(1.0), seeded())
    generator_used = observed(alone, model, "conv", x[:5], y[:5])
    assert torch.allclose(alone._found[0].inputs, kept[0].inputs) and generator_used is not None
    observed(alone, model, "conv", x[10:15], y[10:15])
    mixed = 0.75 * kept[0].inputs + 0.25 * alone._found[0].inputs
    assert torch.allclose(kept[2].inputs, mixed)


@LAYERS
@pytest.mark.parametrize("kind", ["true", "empirical"])
@pytest.mark.parametrize("damping", [0.3, 1e-3])
def test_a_running_mean_of_the_exact_matrix_against_dense_matrices(kind, name, damping):
    model, x, y = tiny(20)
    found = metric(kind, Damping(damping), seeded(3), decay=0.75, weights=96)
    labels = seeded(3)
    mean = None
    for part in (slice(0, 10), slice(10, 20)):
        g = observed(found, model, name, x[part], y[part])
        (rows,) = joint_rows(kind, tap_all(model, [getattr(model, name)], x[part]), y[part], labels)
        mean = rows.T @ rows if mean is None else 0.75 * mean + 0.25 * rows.T @ rows
    assert torch.allclose(g, expected_gradient(model, name, x[part], y[part]), rtol=1e-10)
    solved = found.solve(g)
    assert torch.allclose(solved.direction, solved_densely(mean, g, damping, len(rows)), rtol=1e-7)
    assert solved.length == pytest.approx(float(g @ solved.direction))


def test_the_mean_is_kept_up_to_a_size_and_only_where_older_batches_have_weight(monkeypatch):
    monkeypatch.setattr(metrics, "LARGEST", 96)
    kept = {(weights, decay): type(metric("true", Damping(0.1), seeded(), decay, 1, weights))
            for weights in (96, 97) for decay in (0.0, 0.5)}
    assert [size for size, of in kept.items() if of is MeanMetric] == [(96, 0.5)]


def test_the_diagonal_is_a_running_mean():
    model, x, y = tiny(20)
    found, generator = DiagonalMetric(Damping(1.0, relative=False), seeded(4), 0.75), seeded(4)
    diagonals = []
    for part in (slice(0, 10), slice(10, 20)):
        g = observed(found, model, "conv", x[part], y[part])
        diagonals.append((sampled_rows(tap(model, model.conv, x[part]), generator)**2).sum(0))
    mean = 0.75 * diagonals[0] + 0.25 * diagonals[1]
    assert torch.allclose(found.solve(g).direction, g / (mean + 1.0), rtol=1e-9)


def test_absolute_damping_is_taken_as_it_is():
    model, x, y = tiny(20)
    for kind in FISHERS:
        found = metric(kind, Damping(0.7, relative=False), seeded())
        assert found.solve(observed(found, model, "conv", x, y)).damping == 0.7


@pytest.mark.parametrize("kind", FISHERS)
def test_a_fisher_of_zero_is_said(kind):
    model, x, y = tiny()
    nn.init.zeros_(model.linear.weight)
    found = metric(kind, Damping(0.1), seeded())
    gradient = observed(found, model, "conv", x, y)
    with pytest.raises(NGFError, match="Fisher matrix of the tuned layer is zero or not finite"):
        found.solve(gradient)


def test_grouped_convolutions_have_no_two_factors():
    layer = nn.Conv2d(4, 4, 3, groups=2)
    with pytest.raises(ConfigError, match="K-FAC needs a linear layer or a convolution of one"):
        factors(layer, torch.zeros(2, 4, 5, 5), torch.zeros(2, 4, 3, 3))


def joint(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """1/n sum_i g_i g_i^T over both layers' parameters, by a loop of autograd at labels y."""
    gradients = looped_gradients(model, nn.ModuleList([model.conv, model.linear]), x, y)
    return gradients.T @ gradients / len(x)


def solved_densely(matrix: torch.Tensor, g: torch.Tensor, rho: float, rows: int) -> torch.Tensor:
    damped = matrix + rho * matrix.trace() / rows * torch.eye(len(g), dtype=g.dtype)
    return torch.linalg.solve(damped, g)


@pytest.mark.parametrize("n", [5, 120])  # fewer rows than the 96 parameters, and more
@pytest.mark.parametrize("kind", ["true", "empirical"])
def test_several_layers_have_one_matrix_with_what_ties_them(kind, n):
    model, x, y = tiny(n)
    found = metric(kind, Damping(0.3), seeded(3))
    g = observed(found, model, "conv,linear", x, y)
    parts = [expected_gradient(model, name, x, y) for name in ("conv", "linear")]
    assert torch.allclose(g, torch.cat(parts), rtol=1e-10)
    labels = y if kind == "empirical" else drawn_labels(tap(model, model.conv, x), seeded(3))
    dense = joint(model, x, labels)
    solved = found.solve(g)
    assert torch.allclose(solved.direction, solved_densely(dense, g, 0.3, n), rtol=1e-7)
    assert solved.length == pytest.approx(float(g @ solved.direction))
    split = model.conv.weight.numel() + model.conv.bias.numel()
    assert dense[:split, split:].abs().max() > 0.01 * dense.abs().max()
    tie = torch.zeros_like(dense)
    tie[:split, :split], tie[split:, split:] = dense[:split, :split], dense[split:, split:]
    apart = solved_densely(tie, g, 0.3, n)
    assert not torch.allclose(solved.direction, apart, rtol=1e-3), "the layers were solved apart"


def test_kfac_of_several_layers_is_block_diagonal_under_one_damping():
    model, x, y = tiny(30)
    found = metric("kfac", Damping(0.3), seeded(3))
    g = observed(found, model, "conv,linear", x, y)
    labels = drawn_labels(tap(model, model.conv, x), seeded(3))
    own = [given_labels(model, name, x, labels) for name in ("conv", "linear")]
    damping = 0.3 * sum(f.trace for f in own) / 30
    blocks, start = [], 0
    for f in own:
        matrix = torch.kron(f.outputs, f.inputs)  # a row of weights with its bias last, by output
        size, outputs = len(matrix), len(f.outputs)
        weights = g[start:start + size - outputs].view(outputs, -1)
        part = torch.cat([weights, g[start + size - outputs:start + size, None]], 1).flatten()
        solved = torch.linalg.solve(matrix + damping * torch.eye(size, dtype=g.dtype), part)
        solved = solved.view(outputs, -1)
        blocks += [solved[:, :-1].flatten(), solved[:, -1]]
        start += size
    solved = found.solve(g)
    assert solved.damping == pytest.approx(damping, rel=1e-10)
    assert torch.allclose(solved.direction, torch.cat(blocks), rtol=1e-7)
    assert solved.length == pytest.approx(float(g @ solved.direction))


def test_the_diagonal_of_several_layers_is_that_of_their_rows():
    model, x, y = tiny(30)
    found = DiagonalMetric(Damping(0.1), seeded(4))
    g = observed(found, model, "conv,linear", x, y)
    diagonal = joint(model, x, drawn_labels(tap(model, model.conv, x), seeded(4))).diagonal()
    damping = 0.1 * diagonal.sum() / 30
    assert torch.allclose(found.solve(g).direction, g / (diagonal + damping), rtol=1e-9)


def test_rows_too_large_for_memory_are_refused_with_what_would_do(monkeypatch):
    model, x, y = tiny(20)
    monkeypatch.setattr(metrics, "ROWS_MEMORY", 96 * 8 * 7)
    with pytest.raises(ConfigError, match=r"of 20 images and 2 layers take 0.0 GB, above .*"
                                          "batch_size=7, fisher=kfac or fewer layers"):
        observed(metric("true", Damping(0.1), seeded()), model, "conv,linear", x, y)
    for kind, count in (("true", 7), ("kfac", 20), ("diagonal", 20)):
        observed(metric(kind, Damping(0.1), seeded()), model, "conv,linear", x[:count], y[:count])
