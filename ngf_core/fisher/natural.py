"""The damped natural direction, solved on whichever side is smaller."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ngf_core.errors import NGFError

# Below it, g - R^T s is a small difference of large numbers, which float32 loses.
FLOAT32_DAMPING = 1e-2


@dataclass(frozen=True)
class NaturalDirection:
    """`direction` d = (F + lambda I)^-1 g (P,), the damping lambda used, and its squared `length`.

    The length is measured in the damped metric, d^T (F + lambda I) d = g^T d. Plain d^T F d would
    not do for a trust region: a Fisher of few samples has a large null space, and what g has there
    is divided by lambda alone and costs d^T F d nothing.
    """

    direction: Tensor
    damping: float
    length: float


@dataclass(frozen=True)
class Damping:
    """lambda = `value`, or where it is `relative` lambda = value tr(F) / r, r the rows of F."""

    value: float
    relative: bool = True

    def of(self, trace: float, rows: int) -> float:
        """lambda. Raises NGFError where F is zero or not finite."""
        if not 0 < trace < float("inf"):
            raise NGFError("The Fisher matrix of the tuned layer is zero or not finite: the model "
                           "is certain of every clean image. Use strong augmentation or another "
                           "layer.")
        return self.value * trace / rows if self.relative else self.value


def natural_direction(rows: Tensor, gradient: Tensor, damping: Damping) -> NaturalDirection:
    """Solve (F + lambda I) d = g for F = R^T R with R = `rows` (r, P).

    In sample space (r < P) by Woodbury: with K = R R^T and s = (K + lambda I)^-1 R g,
    d = (g - R^T s) / lambda. Otherwise the P x P system itself. Cholesky in float64;
    for a small damping the products too.
    Raises NGFError where F is zero or the system is not positive definite in float32 rows.
    """
    trace = float(torch.linalg.vector_norm(rows).double() ** 2)
    lam = damping.of(trace, len(rows))
    if lam < FLOAT32_DAMPING * trace / len(rows):
        rows = rows.double()
    if rows.shape[0] < rows.shape[1]:
        g = gradient.to(rows.dtype)
        solved = _solve(rows @ rows.T, lam, rows @ g)
        direction = (g - rows.T @ solved.to(rows.dtype)) / lam
    else:
        direction = _solve(rows.T @ rows, lam, gradient)
    length = float(gradient.double() @ direction.double())
    return NaturalDirection(direction.to(gradient.dtype), lam, length)


def _solve(matrix: Tensor, damping: float, right: Tensor) -> Tensor:
    """(matrix + damping I)^-1 right, in float64."""
    matrix = matrix.double()
    matrix.diagonal().add_(damping)
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if failed or not torch.isfinite(factor).all():
        raise NGFError("The damped Fisher matrix is not positive definite. "
                       "Use a larger damping (ten times as much).")
    return torch.cholesky_solve(right.double()[:, None], factor)[:, 0]
