"""Trace and diagonal of the Fisher matrix: the mean over all signs is exact, value and gradient."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from ngf_core.fisher.hutchinson import fisher_diagonal, fisher_trace, signs_like
from tests.support.tiny_models import seeded_model


class Small(nn.Module):
    """A float64 network without kinks: two inputs, two hidden units, three classes."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.linear = nn.Linear(2, 2), nn.Linear(2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(torch.tanh(self.hidden(x)))


def small() -> tuple[nn.Module, list[nn.Parameter], Tensor, Tensor]:
    model = seeded_model(Small).double()
    x = torch.tensor([[0.5, -1.0], [2.0, 0.3]], dtype=torch.float64)
    return model, list(model.parameters()), x, torch.tensor([2, 0])


def rows(model: nn.Module, weights: dict, x: Tensor, y: Tensor, kind: str) -> Tensor:
    """Point by point: sqrt(weight) times the gradient of each log p(label), one row each."""
    found = []
    for image, label in zip(x, y):
        log_p = F.log_softmax(functional_call(model, weights, (image[None],)), 1)[0]
        for c in range(3):
            share = log_p[c].exp() if kind == "true" else torch.tensor(float(c == label))
            slopes = torch.autograd.grad(log_p[c], list(weights.values()), create_graph=True)
            found.append(share.sqrt() * torch.cat([s.flatten() for s in slopes]))
    return torch.stack(found) / len(x) ** 0.5


def exact(model: nn.Module, x: Tensor, y: Tensor, kind: str) -> tuple[Tensor, Tensor, Tensor]:
    """Tr F, its gradient and diag F."""
    weights = dict(model.named_parameters())
    r = rows(model, weights, x, y, kind)
    gradient = torch.autograd.grad(r.square().sum(), list(weights.values()))
    return (r.square().sum().detach(), torch.cat([g.flatten() for g in gradient]),
            r.square().sum(0).detach())


def all_signs() -> list[Tensor]:
    return [torch.tensor(s, dtype=torch.float64).view(2, 3)
            for s in itertools.product((-1.0, 1.0), repeat=6)]


@pytest.mark.parametrize("kind", ["true", "empirical"])
def test_value_and_gradient_are_unbiased(kind):
    model, tensors, x, y = small()
    values, gradients = [], []
    for signs in all_signs():
        value = fisher_trace(kind, model(x), y, tensors, signs)
        values.append(value.detach())
        gradients.append(torch.cat([g.flatten() for g in torch.autograd.grad(value, tensors)]))
    trace, gradient, _ = exact(model, x, y, kind)
    assert torch.allclose(torch.stack(values).mean(), trace)
    assert torch.allclose(torch.stack(gradients).mean(0), gradient)
    assert max(values) > 1.1 * trace, "a single draw is an estimate"


@pytest.mark.parametrize("kind", ["true", "empirical"])
def test_the_diagonal_is_unbiased(kind, monkeypatch):
    model, tensors, x, y = small()
    found = []
    for signs in all_signs():
        monkeypatch.setattr("ngf_core.fisher.hutchinson.signs_like", lambda *_, s=signs: s)
        parts = fisher_diagonal(kind, [(model(x), y)], tensors, torch.Generator())
        found.append(torch.cat([p.flatten() for p in parts]))
    assert torch.allclose(torch.stack(found).mean(0), exact(model, x, y, kind)[2])


def test_parts_of_one_image_give_the_empirical_diagonal_exactly():
    model, tensors, x, y = small()
    parts = [(model(x[i : i + 1]), y[i : i + 1]) for i in range(2)]
    found = fisher_diagonal("empirical", parts, tensors, torch.Generator())
    expected = exact(model, x, y, "empirical")[2]
    assert torch.allclose(torch.cat([p.flatten() for p in found]), expected)
    assert [p.shape for p in found] == [t.shape for t in tensors]


def test_certain_answers_and_unused_tensors_do_no_harm():
    model, tensors, x, y = small()
    unused = nn.Parameter(torch.ones(2, dtype=torch.float64))
    signs = signs_like(model(x), torch.Generator().manual_seed(0))
    value = fisher_trace("true", 1e4 * model(x), y, [*tensors, unused], signs)
    value.backward()
    assert value == 0 and all(t.grad.isfinite().all() for t in tensors)
    diagonal = fisher_diagonal("true", [(model(x), y)], [unused], torch.Generator())
    assert diagonal[0].tolist() == [0, 0]


def test_signs_follow_from_the_generator_alone():
    logits = torch.zeros(50, 4)
    torch.manual_seed(0)
    one = signs_like(logits, torch.Generator().manual_seed(7))
    torch.manual_seed(1)
    assert torch.equal(one, signs_like(logits, torch.Generator().manual_seed(7)))
    assert set(one.flatten().tolist()) == {-1.0, 1.0} and abs(one.mean()) < 0.4
