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


def natural_direction(rows: Tensor, gradient: Tensor, relative_damping: float) -> NaturalDirection:
    """Solve (F + lambda I) d = g for F = R^T R with R = `rows` (r, P), lambda = rho tr(F) / r.

    In sample space (r < P) by Woodbury: with K = R R^T and s = (K + lambda I)^-1 R g,
    d = (g - R^T s) / lambda. Otherwise the P x P system itself. Cholesky in float64;
    for a small damping the products too.
    Raises NGFError where F is zero or the system is not positive definite in float32 rows.
    """
    if relative_damping < FLOAT32_DAMPING:
        rows = rows.double()
    in_sample_space = rows.shape[0] < rows.shape[1]
    gram = (rows @ rows.T if in_sample_space else rows.T @ rows).double()
    damping = relative_damping * float(gram.trace()) / len(rows)
    if not damping > 0:
        raise NGFError("The Fisher matrix of the tuned layer is zero or not finite: the model is "
                       "certain of every clean image. Use strong augmentation or another layer.")
    if in_sample_space:
        g = gradient.to(rows.dtype)
        solved = _solve(gram, damping, rows @ g)
        direction = (g - rows.T @ solved.to(rows.dtype)) / damping
    else:
        direction = _solve(gram, damping, gradient)
    length = float(gradient.double() @ direction.double())
    return NaturalDirection(direction.to(gradient.dtype), damping, length)


def _solve(matrix: Tensor, damping: float, right: Tensor) -> Tensor:
    """(matrix + damping I)^-1 right, in float64; `matrix` is used up."""
    matrix.diagonal().add_(damping)
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if failed or not torch.isfinite(factor).all():
        raise NGFError("The damped Fisher matrix is not positive definite. "
                       "Use a larger damping (ten times as much).")
    return torch.cholesky_solve(right.double()[:, None], factor)[:, 0]
