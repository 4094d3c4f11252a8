"""The loss along eigenvectors: against closed forms, dense matrices and plain evaluations."""

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from ngf_core.curvature import HessianOperator
from ngf_core.curvature.sharpness import Subject
from ngf_core.curvature.sharpness.slices import POINTS, slices
from ngf_core.errors import ConfigError


@pytest.fixture
def x():
    return torch.randn(40, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def dense(net, data, loss=functional.cross_entropy):
    """(values, vectors as rows), largest first, of the dense Hessian."""
    matrix = HessianOperator(net, data, loss=loss, dtype=torch.float64).dense()
    values, vectors = torch.linalg.eigh(matrix)
    return values.flip(0), vectors.T.flip(0)


def test_of_a_quadratic_loss_the_slice_is_its_parabola(x):
    torch.manual_seed(0)
    net = nn.Linear(5, 1).double()
    data = (10 * x, torch.randn(40, 1, dtype=torch.float64))
    values, vectors = dense(net, data, functional.mse_loss)
    found = slices(Subject(net, data, loss=functional.mse_loss, dtype=torch.float64),
                   values[:3], vectors[:3])
    start = functional.mse_loss(net(data[0]), data[1])
    parabola = start + found.slopes[:, None] * found.t + values[:3, None] * found.t**2 / 2
    torch.testing.assert_close(found.loss, parabola.detach(), rtol=1e-12, atol=1e-12)
    assert (found.slopes.abs() > 1e-3).all(), "else a slope that is left out would not be seen"
    torch.testing.assert_close(found.t[:, -1], (2 / values[:3]).sqrt())
    assert (found.t[:, POINTS // 2] == 0).all() and found.t.shape == (3, POINTS)


def test_the_loss_is_that_of_the_moved_network_which_stays_as_it_was(x):
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    y = torch.arange(40) % 3
    weights = nn.utils.parameters_to_vector(net.parameters()).detach().clone()
    values, vectors = dense(net, (x, y))
    chosen = [0, 1, -1]  # the smallest is negative: a saddle
    assert values[-1] < 0
    found = slices(Subject(net, (x, y), dtype=torch.float64), values[chosen], vectors[chosen])
    names = [name for name, _ in net.named_parameters()]
    sizes = [p.numel() for p in net.parameters()]
    for row, place in enumerate(chosen):
        for t, loss in zip(found.t[row], found.loss[row], strict=True):
            moved = (weights + t * vectors[place]).split(sizes)
            state = {name: part.view_as(p) for name, part, p in zip(
                names, moved, net.parameters(), strict=True)}
            there = functional.cross_entropy(functional_call(net, state, x), y)
            assert loss.item() == pytest.approx(there.item(), rel=1e-12)
    assert torch.equal(nn.utils.parameters_to_vector(net.parameters()), weights)


def test_it_goes_no_further_than_the_weights_are_long(x):
    net = nn.Linear(5, 3).double()
    subject = Subject(net, (x, torch.arange(40) % 3), dtype=torch.float64)
    found = slices(subject, torch.tensor([0.0, 1e6]), torch.eye(subject.size)[:2])
    assert found.t[0, -1].item() == pytest.approx(subject.weights.norm().item())
    assert found.t[1, -1].item() == pytest.approx(2e-6**0.5)


def test_vectors_of_another_network_are_refused(x):
    subject = Subject(nn.Linear(5, 3).double(), (x, torch.arange(40) % 3), dtype=torch.float64)
    with pytest.raises(ConfigError, match=r"their shape is \(2, 7\).*2 vectors of 18 numbers"):
        slices(subject, torch.ones(2), torch.ones(2, 7))
