"""The trace of a symmetric operator, with its standard error."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ngf_core.curvature.operator import Progress, SymmetricOperator, check_count
from ngf_core.errors import ConfigError


@dataclass(frozen=True)
class Estimate:
    """A random estimate: its value, its standard error, and how many probes it averages."""

    value: float
    standard_error: float
    probes: int


def trace(operator: SymmetricOperator, probes: int, generator: torch.Generator,
          deflate: Tensor | None = None, progress: Progress | None = None) -> Estimate:
    """tr(A), exactly on the span of the `deflate` vectors and by Hutchinson's method elsewhere.

    With V an orthonormal basis of the span, N = I - V Vᵀ and z of independent signs,
    tr(A) = tr(Vᵀ A V) + E[(N z)ᵀ A (N z)]. It is unbiased whatever V is, and its variance, of
    order 2 ||N A N||_F^2, is small when V holds the outliers (Hutchinson, Communications in
    Statistics 18, 1989; deflation: Gambhir, Stathopoulos, Orginos, SISC 39, 2017).

    deflate: (k, P), any vectors; they cost k products beside the `probes`.
    progress: called after each product with (done, total).
    Raises ConfigError for fewer than two probes or vectors of the wrong shape.
    """
    check_count("probes", probes, 2)
    basis = torch.empty(operator.size, 0, dtype=torch.float64)
    if deflate is not None:
        if deflate.ndim != 2 or deflate.shape[1] != operator.size:
            raise ConfigError("deflate", f"its shape is {tuple(deflate.shape)}",
                              f"Give vectors as rows, shape (k, {operator.size}).")
        basis, _ = torch.linalg.qr(deflate.T.double())
    total = basis.shape[1] + probes

    def quadratic(v: Tensor, done: int) -> float:
        v = v.to(operator.dtype)
        value = (v.double() @ operator.matvec(v).double()).item()
        if progress is not None:
            progress(done, total)
        return value

    exact = math.fsum(quadratic(v, i + 1) for i, v in enumerate(basis.T))
    rest = []
    for i in range(probes):
        z = torch.randint(0, 2, (operator.size,), generator=generator).double() * 2 - 1
        z -= basis @ (basis.T @ z)
        rest.append(quadratic(z, basis.shape[1] + i + 1))
    samples = torch.tensor(rest, dtype=torch.float64)
    return Estimate(exact + samples.mean().item(), samples.std().item() / math.sqrt(probes), probes)
