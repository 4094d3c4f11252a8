"""SAM's rises against their formulas: bowls in closed form, networks by direct evaluation."""

import pytest
import torch
from torch.func import functional_call
from torch.nn import functional

from ngf_core.curvature.sharpness import Subject
from ngf_core.curvature.sharpness.sam import one_step, several_steps
from tests.support.sharpness_subjects import MODELS, bowl, flat_weights, network


def loss_at(net, x, y, flat: torch.Tensor) -> torch.Tensor:
    parts = flat.split([p.numel() for p in net.parameters()])
    weights = {name: part.view_as(p)
               for (name, p), part in zip(net.named_parameters(), parts, strict=True)}
    return functional.cross_entropy(functional_call(net, weights, (x,)), y)


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_one_step_is_its_formula(model, adaptive):
    subject, net, x, y = network(model)
    w = flat_weights(net).requires_grad_(True)
    base = loss_at(net, x, y, w)
    (g,) = torch.autograd.grad(base, w)
    t = w.detach().abs() if adaptive else torch.ones_like(g)
    step = 0.3 * t**2 * g / (t * g).norm()
    truth = (loss_at(net, x, y, w + step) - base).item()
    assert one_step(subject, 0.3, adaptive).value == pytest.approx(truth, rel=1e-9)


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_several_steps_rise_at_least_as_high_as_one(model, adaptive):
    subject = network(model)[0]
    one, several = (f(subject, 0.3, adaptive).value for f in (one_step, several_steps))
    assert several >= one > 0
    assert several_steps(subject, 0.3, adaptive, steps=1).value == pytest.approx(one)


def test_on_the_floor_of_a_bowl_the_rise_is_half_rho_squared_lambda():
    subject, _, _ = bowl([8.0, 2, 1])
    assert one_step(subject, 0.5, False).value == pytest.approx(0.0, abs=1e-8)
    found = several_steps(subject, 0.5, False, steps=30)
    assert found.value == pytest.approx(0.5 * 0.5**2 * 8, rel=1e-6)


def test_on_the_slope_of_a_bowl_one_step_is_in_closed_form():
    subject, a, away = bowl([8.0, 2, 1], offset=2.0)
    g = a @ away
    truth = 0.5 * g.norm() + 0.5 * 0.25 * (g @ a @ g) / g.norm() ** 2
    assert one_step(subject, 0.5, False).value == pytest.approx(truth.item())


def test_no_point_of_the_ball_is_higher_than_several_steps_found():
    subject, a, away = bowl([8.0, 2, 1], offset=0.3)
    found = several_steps(subject, 0.5, False, steps=60).value
    points = torch.randn(20000, 3, generator=torch.Generator().manual_seed(0)).double()
    points *= 0.5 / points.norm(dim=1, keepdim=True)
    rises = points @ (a @ away) + 0.5 * torch.einsum("pi,ij,pj->p", points, a, points)
    assert rises.max().item() <= found + 1e-9 and rises.max().item() > 0.999 * found


def test_the_adaptive_ball_is_scaled_by_the_weights():
    """With one weight at zero the adaptive step cannot move it."""
    subject, a, _ = bowl([8.0, 2, 1], offset=2.0)
    model = subject.model.requires_grad_(True)
    model.weight.data[0, 1] = 0.0
    again = Subject(model, subject.data, loss=functional.mse_loss, dtype=torch.float64)
    g = again.gradient(again.weights)
    w = again.weights.abs()
    step = 0.5 * w**2 * g / (w * g).norm()
    assert step[1] == 0
    truth = (g @ step + 0.5 * step @ a @ step).item()
    assert one_step(again, 0.5, True).value == pytest.approx(truth)
