"""The true Fisher matrix of the layer that returns the logits, without its rows.

F = 1/n sum_i S_i (x) a_i a_i^T with S_i = diag p_i - p_i p_i^T has n C rows of C (d + 1) numbers:
for 1,000 classes, 512 features and 64 images 131 GB in float32. With S_i = A_i A_i^T,
A_i = diag sqrt(p_i) - p_i sqrt(p_i)^T, its rows are R_i = A_i^T (x) a_i^T / sqrt(n), and

    K t = R R^T t = A^T (a a^T / n) A t    for t (n, C), A sample by sample,

takes n^2 C multiplications. (F + lambda I) d = g is solved by conjugate gradients from zero, whose
vectors all are v = alpha g + R^T t. Held as (alpha, t), their inner products are those of
M = [[g^T g, (R g)^T], [R g, K]], so that a step costs one product with K, and the memory is of the
order of n C + n^2 + P numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from ngf_core.fisher.natural import Damping, NaturalDirection
from ngf_core.fisher.per_sample import Tapped

# Up to here the rows are written out and solved with as those of any layer, which takes seconds:
# 2,500 are those of ten classes and 250 images, and these numbers take 256 MB in float32.
LARGEST_SIDE, LARGEST_ROWS = 2_500, 64_000_000
# Of the residual g - (F + lambda I) d, relative to g; and the products until it is taken as it is.
TOLERANCE, PRODUCTS = 1e-8, 1_000


@dataclass(frozen=True)
class SoftmaxHead:
    """F of logits W a + b from `p` (n, C), `inputs` (n, d), followed by a one where there is a
    `bias`; both float64. Vectors (P,) hold the weight, row by row, then the bias."""

    p: Tensor
    inputs: Tensor
    bias: bool

    @classmethod
    def of(cls, tapped: Tapped) -> "SoftmaxHead":
        """That of a tapped last layer (`is_last_layer`)."""
        p, a = tapped.logits.detach().double().softmax(1), tapped.input.double()
        bias = tapped.layer.bias is not None
        return cls(p, torch.cat([a, a.new_ones(len(a), 1)], 1) if bias else a, bias)

    def trace(self) -> float:
        """tr F = 1/n sum_i (1 - |p_i|^2) |a_i|^2."""
        spread = 1 - self.p.square().sum(1)
        return float((spread * self.inputs.square().sum(1)).mean())

    def diagonal(self) -> Tensor:
        """diag F (P,): 1/n sum_i p_ic (1 - p_ic) a_ik^2."""
        return self._vector((self.p * (1 - self.p)).T @ self.inputs.square() / len(self.p))

    def direction(self, gradient: Tensor, damping: Damping, least: float = 0.0
                  ) -> NaturalDirection:
        """(F + lambda I)^-1 gradient, as `natural_direction` with the n C rows.

        After PRODUCTS the direction is taken as it is. It then minimises
        d^T (F + lambda I) d / 2 - g^T d over what the products span, which is shorter, and
        its squared length in the damped metric is g^T d too.
        Raises NGFError as `Damping.of` does.
        """
        lam = damping.of(self.trace(), self.p.numel(), least)
        g = self._matrix(gradient.double())
        mixed = self._down(self.inputs @ g.T) / sqrt(len(self.p))
        gram = self.inputs @ self.inputs.T / len(self.p)

        def times_m(v: Tensor) -> Tensor:
            t = v[1:].view_as(mixed)
            rest = self._down(gram @ self._up(t)) + v[0] * mixed
            return torch.cat([v[:1] * g.square().sum() + (mixed * t).sum(), rest.flatten()])

        left = torch.zeros(1 + mixed.numel(), dtype=g.dtype, device=g.device)
        left[0] = 1  # the residual of d = 0 is g
        found = self._combined(_conjugate_gradients(times_m, left, lam), g)
        direction = self._vector(found)
        length = float(gradient.double() @ direction)
        return NaturalDirection(direction.to(gradient.dtype), lam, length)

    def _combined(self, v: Tensor, g: Tensor) -> Tensor:
        """alpha g + R^T t as a matrix (C, d + bias)."""
        t = self._up(v[1:].view_as(self.p))
        return v[0] * g + t.T @ self.inputs / sqrt(len(self.p))

    def _down(self, u: Tensor) -> Tensor:
        """A^T u, sample by sample."""
        return self.p.sqrt() * (u - (self.p * u).sum(1, keepdim=True))

    def _up(self, t: Tensor) -> Tensor:
        """A t, sample by sample."""
        root = self.p.sqrt()
        return root * t - self.p * (root * t).sum(1, keepdim=True)

    def _matrix(self, vector: Tensor) -> Tensor:
        classes = self.p.shape[1]
        weight, bias = vector.tensor_split([len(vector) - self.bias * classes])
        return torch.cat([weight.view(classes, -1), bias.view(classes, -1)], 1)

    def _vector(self, matrix: Tensor) -> Tensor:
        weight, bias = matrix.tensor_split([matrix.shape[1] - self.bias], 1)
        return torch.cat([weight.flatten(), bias.flatten()])


def rows_fit(rows: int, weights: int) -> bool:
    """Whether so many rows are few enough to be written out and solved with."""
    return rows * weights <= LARGEST_ROWS and min(rows, weights) <= LARGEST_SIDE


def _conjugate_gradients(times_m: Callable[[Tensor], Tensor], left: Tensor, damping: float
                         ) -> Tensor:
    """Coordinates of (F + damping I)^-1 of the vector with coordinates `left`."""
    found, along = torch.zeros_like(left), left
    m_along = times_m(left)
    square = first = float(left @ m_along)
    for _ in range(PRODUCTS):
        if square <= TOLERANCE**2 * first:
            break
        image = damping * along
        image[1:] += m_along[1:]  # F v has the coordinates (0, R v)
        step = square / float(m_along @ image)
        found = found + step * along
        left = left - step * image
        m_left = times_m(left)
        before, square = square, float(left @ m_left)
        along = left + square / before * along
        m_along = m_left + square / before * m_along
    return found
