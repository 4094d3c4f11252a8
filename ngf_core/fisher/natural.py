"""The damped natural direction, solved on whichever side is smaller."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from ngf_core.errors import NGFError

# Below it, g - R^T s is a small difference of large numbers, which float32 loses.
FLOAT32_DAMPING = 1e-2


@dataclass(frozen=True)
class NaturalDirection:
    """`direction` d = (F + lambda I)^-1 g (P,), the damping lambda used, and its squared `length`.

    The length is measured in the damped metric, d^T (F + lambda I) d = g^T d. Plain d^T F d is not
    enough for a trust region: a Fisher of few samples has a large null space, and the part of g in
    it is divided by lambda alone and adds nothing to d^T F d.
    """

    direction: Tensor
    damping: float
    length: float


@dataclass(frozen=True)
class Damping:
    """lambda = `value`, or where it is `relative` lambda = value tr(F) / r, r the rows of F.

    A relative one takes tr(F) to be at least the trace `least` (`certainty.py`).
    """

    value: float
    relative: bool = True

    def of(self, trace: float, rows: int, least: float = 0.0) -> float:
        """lambda. Raises NGFError where F is zero, and no least trace given, or not finite."""
        if self.relative and trace < least:
            trace = least
        if not 0 < trace < float("inf"):
            raise NGFError("The Fisher matrix of the tuned layer is zero or not finite: its "
                           "weights do not matter to the clean images, or the model is certain of "
                           "every one. Use strong augmentation or another layer.")
        return self.value * trace / rows if self.relative else self.value


def natural_direction(rows: Tensor | Sequence[Tensor], gradient: Tensor, damping: Damping,
                      least: float = 0.0) -> NaturalDirection:
    """Solve (F + lambda I) d = g for F = R^T R with R = `rows` (r, P), or its blocks of columns.

    least: the lower bound on tr F in the damping.

    In sample space (r < P) by Woodbury: with K = R R^T = sum_l R_l R_l^T over the blocks and
    s = (K + lambda I)^-1 R g, d = (g - R^T s) / lambda. Otherwise the P x P system itself.
    Cholesky in float64; for a small damping the products too.
    Raises NGFError where there is no damping or the system is not positive definite in float32.
    """
    blocks = [rows] if isinstance(rows, Tensor) else list(rows)
    samples, size = len(blocks[0]), gradient.numel()
    trace = sum(float(torch.linalg.vector_norm(block).double() ** 2) for block in blocks)
    lam = damping.of(trace, samples, least)
    if lam < FLOAT32_DAMPING * trace / samples:
        blocks = [block.double() for block in blocks]
    if samples < size:
        parts = gradient.to(blocks[0].dtype).split([block.shape[1] for block in blocks])
        gram = reduce(torch.add, (block @ block.T for block in blocks))
        right = reduce(torch.add, map(torch.mv, blocks, parts))
        solved = _solve(gram, lam, right).to(blocks[0].dtype)
        direction = torch.cat([(g - block.T @ solved) / lam
                               for block, g in zip(blocks, parts, strict=True)])
    else:
        whole = torch.cat(blocks, 1)
        direction = _solve(whole.T @ whole, lam, gradient)
    return _found(direction, lam, gradient)


def natural_direction_of_matrix(matrix: Tensor, rows: int, gradient: Tensor, damping: Damping,
                                least: float = 0.0) -> NaturalDirection:
    """Solve (F + lambda I) d = g for F = `matrix` (P, P), of as many `rows`; see
    `natural_direction`."""
    lam = damping.of(float(matrix.trace()), rows, least)
    return _found(_solve(matrix.clone(), lam, gradient), lam, gradient)


def _found(direction: Tensor, damping: float, gradient: Tensor) -> NaturalDirection:
    length = float(gradient.double() @ direction.double())
    return NaturalDirection(direction.to(gradient.dtype), damping, length)


def _solve(matrix: Tensor, damping: float, right: Tensor) -> Tensor:
    """(matrix + damping I)^-1 right, in float64."""
    matrix = matrix.double()
    matrix.diagonal().add_(damping)
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if failed or not torch.isfinite(factor).all():
        raise NGFError("The damped Fisher matrix is not positive definite. "
                       "Use a larger damping (ten times as much).")
    return torch.cholesky_solve(right.double()[:, None], factor)[:, 0]
