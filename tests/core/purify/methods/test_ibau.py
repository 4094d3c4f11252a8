"""I-BAU: the hypergradient against dense derivatives and against the true total derivative."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from ngf_core.errors import ConfigError
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.methods.ibau import IBAU, ascend, hypergradient, ibau
from ngf_core.purify.step import Diverged
from tests.support.tiny_models import Cliff, LinearModel, asked, clean_set, seeded_model, tiny


class Smooth(nn.Module):
    """A float64 network with second derivatives everywhere, on 1x2x2 images of three classes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 2)
        self.bn = nn.BatchNorm2d(2)
        self.linear = nn.Linear(2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(torch.tanh(self.bn(self.conv(x))).flatten(1))


def smooth() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(6, 1, 2, 2, generator=generator, dtype=torch.float64)
    return seeded_model(Smooth).double().eval(), x, torch.tensor([0, 1, 2, 0, 1, 2])


def outer_loss(model: nn.Module, weights: dict, x, y, delta, stamped) -> torch.Tensor:
    images = torch.stack([x[i] + delta[0] if i in stamped else x[i] for i in range(len(x))])
    return F.cross_entropy(functional_call(model, weights, (images,)), y)


def test_the_series_against_dense_derivatives():
    model, x, y = smooth()
    own = IBAU(terms=4, inner_rate=0.3, penalty=0.2)
    delta = 0.1 * torch.arange(4, dtype=torch.float64).view(1, 1, 2, 2)
    names, values = zip(*model.named_parameters())

    def phi(d: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        def inner(at: torch.Tensor) -> torch.Tensor:
            logits = functional_call(model, dict(zip(names, weights)), (x + at.view(1, 1, 2, 2),))
            return F.cross_entropy(logits, y) - 0.2 * at.square().sum()
        return d + 0.3 * torch.func.grad(inner)(d)

    by_delta, *by_weights = torch.autograd.functional.jacobian(phi, (delta.flatten(), *values))
    outer = [torch.autograd.functional.jacobian(
        lambda d, *w: outer_loss(model, dict(zip(names, w)), x, y, d.view(1, 1, 2, 2), {1, 4}),
        (delta.flatten(), *values))][0]
    v = sum(torch.linalg.matrix_power(by_delta.T, j) @ outer[0] for j in range(4))
    found = hypergradient(model, list(model.parameters()), x, y, delta, torch.tensor([1, 4]), own)
    for g, direct, across in zip(found, outer[1:], by_weights):
        assert torch.allclose(g, direct + torch.tensordot(v, across, 1), atol=1e-12)


def test_at_the_fixed_point_it_is_the_total_derivative():
    model, x, y = smooth()
    own = IBAU(terms=400, inner_rate=0.05, penalty=2.0, perturbation_lr=0.05, radius=1e3)

    def worst() -> torch.Tensor:
        delta = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
        for _ in range(400):
            delta = ascend(model, x, y, delta, own)
        return delta

    def value() -> float:
        return outer_loss(model, {}, x, y, worst(), {0, 2, 3}).item()

    found = hypergradient(model, [model.conv.weight], x, y, worst(), torch.tensor([0, 2, 3]), own)
    flat, step = model.conv.weight.data.view(-1), 1e-5
    for i in (0, 3, 5):
        flat[i] += step
        above = value()
        flat[i] -= 2 * step
        below = value()
        flat[i] += step
        assert found[0].view(-1)[i].item() == pytest.approx((above - below) / (2 * step), rel=1e-5)


def test_the_ascent_raises_the_loss_and_stays_in_the_ball():
    model, x, y = smooth()
    own = IBAU(perturbation_lr=0.5, radius=0.4)
    delta = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    losses = []
    for _ in range(40):
        losses.append(F.cross_entropy(model(x + delta), y).item())
        delta = ascend(model, x, y, delta, own)
    assert losses == sorted(losses) and delta.norm() == pytest.approx(0.4)
    assert ascend(model, x, y, delta, replace(own, radius=1e3)).norm() > 0.4


def test_an_image_of_a_planted_patch_is_found():
    """A linear model that sees one pixel alone: the perturbation has that pixel alone."""
    model = seeded_model(LinearModel, 192, 4).double()
    with torch.no_grad():
        model.linear.weight.zero_()
        model.linear.weight[2, 77] = 5
    data = clean_set()
    x = data.x.double() / 255
    delta = ascend(model, x, data.y, torch.zeros(1, 3, 8, 8, dtype=torch.float64), IBAU())
    assert delta.flatten().nonzero().tolist() == [[77]]


def test_rounds_of_ascents_and_updates():
    own, config = asked("ibau", ascents=2, updates=2, terms=1, steps=18, batchnorm="frozen")
    model, moved = tiny(), []
    last = model.linear.weight.detach().clone()
    steps = []
    for step in ibau(model, clean_set(), own, config):
        steps.append(step.step)
        moved.append(not torch.equal(last, model.linear.weight))
        last = model.linear.weight.detach().clone()
    assert steps == [1, 2, 6, 10, 11, 12, 16]
    assert moved == [False, False, True, True, False, False, True]


def test_without_a_perturbed_image_and_implicit_term_it_is_adam():
    own, config = asked("ibau", portion=0, ascents=1, updates=5, terms=1, lr=0.01, steps=21,
                        batchnorm="frozen")
    model, other = tiny(), tiny().eval()
    losses = [s.loss for s in ibau(model, clean_set(), own, config)][1:]
    batches = CleanBatches(clean_set(), config, torch.device("cpu"))
    optimiser = torch.optim.Adam(other.parameters(), 0.01)
    for k, known in enumerate(losses):
        x, y = batches(1 + k)
        loss = F.cross_entropy(other(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        assert known == pytest.approx(loss.item(), rel=1e-4)
    assert len(losses) == 5


def test_a_small_budget_is_refused():
    with pytest.raises(ConfigError, match="11 passes do not suffice for one update of I-BAU. Use "
                                          "at least 12"):
        list(ibau(tiny(), clean_set(), *asked("ibau", steps=11)))


def test_a_diverging_run_ends_with_a_sentence_and_the_last_finite_weights():
    model, last = seeded_model(Cliff), []
    own, config = asked("ibau", lr=0.01, steps=100, batchnorm="frozen")
    with pytest.raises(Diverged, match="I-BAU diverged after 20 passes.* Use a smaller ibau.lr"):
        for step in ibau(model, clean_set(), own, config):
            if step.step == 12:
                last.append(model.linear.weight.detach().clone())
    assert torch.equal(model.linear.weight, last[0])
    assert not torch.equal(model.linear.weight, tiny().linear.weight)
