"""Closed forms to hold sharpness measures against: exact bowls, dense matrices, tiny networks."""

import copy

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev

from ngf_core.curvature.sharpness import Subject
from tests.support.known_spectra import with_spectrum
from tests.support.seeded import seeded
from tests.support.small_networks import case

MODELS = ("linear", "conv_bn", "residual")


def bowl(eigenvalues: list[float], offset: float = 0.0) -> tuple[Subject, Tensor, Tensor]:
    """A subject whose loss is exactly 1/2 (w - m)^T A (w - m), its A, and w - m (`offset` long).

    Least squares with as many samples as weights: rows X = sqrt(n/2) A^(1/2), targets X m.
    """
    a = with_spectrum(eigenvalues).entries
    values, vectors = torch.linalg.eigh(a)
    n = len(a)
    x = (vectors * values.clamp(min=0).sqrt()) @ vectors.T * (n / 2) ** 0.5
    m = torch.randn(n, generator=seeded(1), dtype=torch.float64)
    away = torch.randn(n, generator=seeded(2), dtype=torch.float64)
    away *= offset / away.norm()
    model = nn.Linear(n, 1, bias=False).double()
    model.weight.data = (m + away)[None]
    return (Subject(model, (x, (x @ m)[:, None]), loss=nn.functional.mse_loss,
                    dtype=torch.float64), a, away)


def network(name: str, samples: int = 11, **options: object) -> tuple[Subject, nn.Module,
                                                                      Tensor, Tensor]:
    """A float64 subject of a tiny network (see `case`), its model in float64 and the samples."""
    model, x, y = case(name, samples)
    model = model.double().eval()
    return Subject(model, (x, y), dtype=torch.float64, **options), model, x.double(), y


def dense_fisher(model: nn.Module, x: Tensor) -> Tensor:
    """J^T (diag p - p p^T) J / n from the dense Jacobian, (P, P)."""
    model = copy.deepcopy(model)
    weights = {name: p.detach() for name, p in model.named_parameters()}
    jacobian = jacrev(lambda w: functional_call(model, w, (x,)))(weights)
    j = torch.cat([part.flatten(2) for part in jacobian.values()], 2)
    p = model(x).softmax(1).detach()
    s = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    return torch.einsum("ncp,ncd,ndq->pq", j, s, j) / len(x)


def flat_weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()])
