"""pyhessian, repaired, agrees; unrepaired, it shows the defects the adapter names."""

import copy

import pytest
import torch
from torch import nn

from ngf_core.curvature import HessianOperator, measure_spectrum, top_eigenvalues
from ngf_core.curvature.pyhessian_check import (
    Agreement,
    compare,
    leading,
    pyhessian_density,
    pyhessian_eigenvalues,
    pyhessian_trace,
)
from tests.support.dense_hessian import dense_hessian
from tests.support.known_spectra import descending
from tests.support.seeded import seeded
from tests.support.small_networks import case

# pyhessian's own use of backward(create_graph=True), whose cycle the adapter breaks.
pytestmark = pytest.mark.filterwarnings("ignore:Using backward")


def test_eigenvalues_agree_within_its_tolerance():
    model, x, y = case("linear")
    theirs = pyhessian_eigenvalues(model, x, y, 3, seed=0, tolerance=1e-5, max_steps=500)
    ours = top_eigenvalues(HessianOperator(model, (x, y)), 3, generator=seeded(0)).values
    assert torch.allclose(theirs, ours, rtol=1e-2)
    assert torch.allclose(ours, descending(dense_hessian(model, x, y))[:3], rtol=1e-3)


def test_trace_agrees_within_its_standard_error():
    model, x, y = case("residual")
    found = pyhessian_trace(model, x, y, 100, seed=0)
    truth = dense_hessian(model, x, y).trace()
    assert found.probes == 100
    assert abs(found.value - truth) < 4 * found.standard_error < 2 * abs(truth)


def test_a_negative_trace_uses_every_probe():
    # Two blocks that can both change sign: far from a minimum the Hessian is indefinite.
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Tanh(), nn.Linear(1, 2, bias=False))
    model[0].weight.data.fill_(1.0)
    model[2].weight.data = torch.tensor([[3.0], [-3.0]])
    x, y = torch.ones(4, 1), torch.ones(4, dtype=torch.int64)
    truth = dense_hessian(model, x, y).trace()
    found = pyhessian_trace(model, x, y, 30, seed=0)
    assert truth < 0 and found.probes == 30
    assert abs(found.value - truth) <= 4 * found.standard_error


def test_repeating_does_not_double_and_the_seed_decides():
    model, x, y = case("linear")
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first, again, other = (pyhessian_trace(model, x, y, 5, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None for p in model.parameters()) and model.training
    model.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    assert pyhessian_trace(model, x, y, 5, 1) == first


def test_the_doubling_it_repairs_is_real():
    from pyhessian import hessian

    model, x, y = case("linear")
    once, twice = (hessian(model, nn.CrossEntropyLoss(), data=(x, y), cuda=False)
                   for _ in range(2))
    values = [theirs.eigenvalues(maxIter=200, tol=1e-6)[0][0] for theirs in (once, twice)]
    assert values[1] > 1.99 * values[0]


def test_the_dead_density_lives_and_torch_is_put_back():
    from pyhessian import hessian

    model, x, y = case("linear")
    before = getattr(torch, "eig", None)
    with pytest.raises((RuntimeError, AttributeError), match="eig"):
        hessian(copy.deepcopy(model), nn.CrossEntropyLoss(), data=(x, y), cuda=False).density(5)
    nodes, weights = pyhessian_density(model, x, y, 20, 25, seed=0)
    assert getattr(torch, "eig", None) is before
    assert torch.allclose(weights.sum(1), torch.ones(20).double(), atol=1e-5)
    truth = descending(dense_hessian(model, x, y))
    assert torch.allclose(nodes.amax(1), truth[0].expand(20), rtol=1e-3)
    moments = (nodes * weights).sum(1)
    assert (moments.mean() - truth.mean()).abs() < 4 * moments.std() / 20**0.5


def saddle():
    """A model whose Hessian's largest modulus is negative."""
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Tanh(), nn.Linear(1, 2, bias=False))
    model[0].weight.data.fill_(1.0)
    model[2].weight.data = torch.tensor([[3.0], [-3.0]])
    return model, torch.ones(4, 1), torch.ones(4, dtype=torch.int64)


def test_it_finds_the_largest_modulus_where_ours_finds_the_largest():
    model, x, y = saddle()
    truth = descending(dense_hessian(model, x, y))
    assert -truth[-1] > truth[0] > 0
    value, residual = leading(model, x, y, 60, seed=0)
    assert value == pytest.approx(truth[-1].item(), rel=1e-3) and residual < 1e-2
    ours = top_eigenvalues(HessianOperator(model, (x, y)), 1, generator=seeded(0)).values
    assert ours[0] == pytest.approx(truth[0].item(), rel=1e-3)


@pytest.mark.parametrize("steps", [2, 5, 20])
def test_the_residual_is_true_and_bounds_the_error(steps):
    model, x, y = case("residual")
    value, residual = leading(model, x, y, steps, seed=0)
    truth = descending(dense_hessian(model, x, y))
    assert (truth - value).abs().min() <= residual + 1e-5
    assert residual > 1e-6


def test_unrepaired_the_trace_has_no_rule_and_a_negative_one_stops_after_two():
    from pyhessian import hessian

    model, x, y = saddle()
    torch.manual_seed(0)
    theirs = hessian(model, nn.CrossEntropyLoss(), data=(x, y), cuda=False)
    assert len(theirs.trace(maxIter=50, tol=1e-3)) == 2


@pytest.mark.parametrize("parameters", [None, ["linear.weight"]])
def test_the_comparison_agrees_with_us_and_says_what_it_cost(parameters):
    model, x, y = case("residual")
    spectrum = measure_spectrum(model, (x, y), k=2, parameters=parameters)
    found = compare(spectrum, model, x, y, 0, parameters)
    assert found.eigenvalue_agrees and found.trace_agrees
    assert found.products == 31 and found.probes == 10
    truth = descending(dense_hessian(model, x, y, parameters))
    assert found.ours == pytest.approx(truth[0].item(), rel=1e-2)
    assert (found.eigenvalue - truth).abs().min() <= found.residual + 1e-5
    assert abs(found.trace - truth.sum()) <= 4 * found.trace_error


def test_the_comparison_is_with_the_end_of_larger_modulus():
    model, x, y = saddle()
    found = compare(measure_spectrum(model, (x, y), k=1), model, x, y, 0)
    assert found.eigenvalue < 0 and found.eigenvalue_agrees


def test_another_model_does_not_agree():
    model, x, y = case("residual")
    spectrum = measure_spectrum(model, (x, y), k=2)
    with torch.no_grad():
        model.linear.weight *= 3
    found = compare(spectrum, model, x, y, 0)
    assert not found.eigenvalue_agrees


@pytest.mark.parametrize(("theirs", "agrees"), [(10.0, True), (12.9, True), (13.1, False)])
def test_traces_agree_within_three_standard_errors_of_the_difference(theirs, agrees):
    found = Agreement(1, 0, 1, 0, theirs, 0.6, 10, 10.0, 0.8, 31)
    assert found.z == pytest.approx(theirs - 10) and found.trace_agrees == agrees
    assert found.eigenvalue_agrees


def test_within_little_memory_it_gets_batches_and_gives_the_same():
    model, x, y = case("residual")
    spectrum = measure_spectrum(model, (x, y), k=2)
    whole, batched = (compare(spectrum, model, x, y, 0, memory=memory)
                      for memory in (1e9, 6e4))
    assert batched.eigenvalue == pytest.approx(whole.eigenvalue, rel=1e-4)
    assert batched.residual == pytest.approx(whole.residual, rel=1e-2, abs=1e-5)
    assert batched.trace == pytest.approx(whole.trace, rel=1e-4)
