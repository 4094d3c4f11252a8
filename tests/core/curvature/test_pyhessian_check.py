"""pyhessian, repaired, agrees; unrepaired, it shows the defects the adapter names."""

import pytest
import torch
from torch import nn

from ngf_core.curvature import HessianOperator, top_eigenvalues
from ngf_core.curvature.pyhessian_check import pyhessian_eigenvalues, pyhessian_trace
from tests.core.curvature.dense import case, dense_hessian, descending, seeded

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
