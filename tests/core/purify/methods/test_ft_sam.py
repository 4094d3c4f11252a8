"""FT-SAM: the ascent step against its formula, the update written out, and its limits."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ngf_core.errors import ConfigError
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.methods.ft_sam import climb, ft_sam
from tests.support.tiny_models import asked, clean_set, tiny


def of(**changes: object):
    return asked("ft_sam", **{"batchnorm": "frozen"} | changes)


def filled(*shapes: tuple[int, ...]) -> tuple[list[nn.Parameter], list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(5)
    draws = [torch.randn(2, *shape, generator=generator, dtype=torch.float64) for shape in shapes]
    return [nn.Parameter(d[0]) for d in draws], [d[1] for d in draws]


def test_the_ascent_is_the_formula_of_one_long_vector():
    parameters, gradients = filled((3, 2), (4,))
    w = torch.cat([p.detach().flatten() for p in parameters])
    g = torch.cat([x.flatten() for x in gradients])
    expected = w + 2.0 * w**2 * g / torch.linalg.vector_norm(w.abs() * g)
    climb(parameters, gradients, 2.0, False)
    assert torch.allclose(torch.cat([p.detach().flatten() for p in parameters]), expected)


def test_the_ascent_is_the_best_one_within_the_radius():
    parameters, gradients = filled((5, 3))
    (p,), (g,) = parameters, gradients
    received = p.detach().clone()
    climb(parameters, gradients, 0.7, False)
    step = p.detach() - received
    assert torch.linalg.vector_norm(step / received.abs()) == pytest.approx(0.7)
    generator = torch.Generator().manual_seed(1)
    for _ in range(200):
        other = torch.randn(5, 3, generator=generator, dtype=torch.float64)
        other = 0.7 * other / other.norm() * received.abs()
        assert (g * other).sum() <= (g * step).sum() + 1e-12


def test_per_neuron_sizes_are_norms_of_rows():
    parameters, gradients = filled((3, 2, 2, 2), (3,))
    (weight, bias), (g, b) = [p.detach().clone() for p in parameters], gradients
    rows = weight.flatten(1).norm(dim=1)
    norm = math.sqrt(sum(float((rows[i] * g[i]).norm() ** 2 + (bias[i] * b[i]) ** 2)
                         for i in range(3)))
    climb(parameters, gradients, 0.5, True)
    for i in range(3):
        assert torch.allclose(parameters[0][i], weight[i] + 0.5 * rows[i] ** 2 * g[i] / norm)
        assert torch.allclose(parameters[1][i], bias[i] + 0.5 * bias[i] ** 2 * b[i] / norm)


def test_no_gradient_no_ascent():
    parameters, _ = filled((2, 2))
    received = parameters[0].detach().clone()
    climb(parameters, [torch.zeros(2, 2, dtype=torch.float64)], 2.0, False)
    assert torch.equal(parameters[0], received)


def test_one_update_written_out():
    own, config = of(rho=50, weight_decay=0.01, steps=2, lr=0.1)
    model, other = tiny(), tiny().eval()
    (step,) = ft_sam(model, clean_set(), own, config)
    x, y = CleanBatches(clean_set(), config, torch.device("cpu"))(0)
    assert step.step == 2 and step.loss == pytest.approx(F.cross_entropy(other(x), y).item())
    above = copy.deepcopy(other)
    loss = F.cross_entropy(other(x), y, label_smoothing=0.1)
    size = sum(p.numel() for p in other.parameters())
    climb(list(above.parameters()), torch.autograd.grad(loss, list(other.parameters())),
          50 * math.sqrt(size / 11_172_170), False)
    loss = F.cross_entropy(above(x), y, label_smoothing=0.1)
    found = torch.autograd.grad(loss, list(above.parameters()))
    for p, q, g in zip(model.parameters(), other.parameters(), found):
        assert torch.allclose(p, q - 0.1 * (g + 0.01 * q), atol=1e-6)


def test_without_ascent_smoothing_and_decay_it_is_torch_sgd():
    own, config = of(rho=0, smoothing=0, weight_decay=0,
                         steps=8, lr=0.02)
    model, other = tiny(), tiny().eval()
    losses = [s.loss for s in ft_sam(model, clean_set(), own, config)]
    batches = CleanBatches(clean_set(), config, torch.device("cpu"))
    optimiser = torch.optim.SGD(other.parameters(), 0.02, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 4)
    for k, loss_of_step in enumerate(losses):
        x, y = batches(k)
        optimiser.zero_grad()
        loss = F.cross_entropy(other(x), y)
        loss.backward()
        optimiser.step()
        schedule.step()
        assert loss_of_step == pytest.approx(loss.item(), rel=1e-5)
    assert len(losses) == 4


def test_a_budget_of_one_pass_is_refused():
    with pytest.raises(ConfigError, match="1 passes do not suffice for one update of FT-SAM. "
                                          "Use at least 2"):
        list(ft_sam(tiny(), clean_set(), *of(steps=1)))
