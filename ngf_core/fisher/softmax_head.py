"""The true Fisher matrix of the layer that returns the logits, without its rows.

F = 1/n sum_i S_i (x) a_i a_i^T with S_i = diag p_i - p_i p_i^T has n C rows of C (d + 1) numbers:
for 1,000 classes, 512 features and 64 images 131 GB in float32. (F + lambda I) d = g is solved by
conjugate gradients from zero instead, whose vectors all are

    v = alpha g + sum_i t_i (x) a_i / sqrt(n),    t (n, C).

Held as (alpha, t), their inner products are those of M = [[|g|^2, u^T], [u, (a a^T / n) (x) I]]
with u_i = g a_i / sqrt(n), and F v is (0, S (M v)_t), sample by sample. A step thus costs one
product of an (n, n) and an (n, C) matrix, and all takes memory of the order of n C + n^2 + P.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan, sqrt

import torch
from torch import Tensor

from ngf_core.errors import ConfigError
from ngf_core.fisher.natural import Damping, NaturalDirection
from ngf_core.fisher.per_sample import Tapped

# Up to here the rows are written out and solved with as those of any layer, which takes seconds:
# 2,500 are those of ten classes and 250 images. Their numbers, in float32, may take MEGABYTES, or
# what the environment gives as VARIABLE; the direction is the same either way, up to TOLERANCE.
LARGEST_SIDE, MEGABYTES, VARIABLE = 2_500, 256.0, "NGF_FISHER_MB"
# Of the residual g - (F + lambda I) d, relative to g; and the products until it is taken as it is.
TOLERANCE, PRODUCTS = 1e-6, 500


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

    @classmethod
    def joined(cls, heads: Sequence["SoftmaxHead"]) -> "SoftmaxHead":
        """That of all samples of several."""
        return cls(torch.cat([head.p for head in heads]),
                   torch.cat([head.inputs for head in heads]), heads[0].bias)

    def gram(self) -> Tensor:
        """R R^T (n C, n C) of the exact rows R, row by row sqrt(p_ic / n) (p_i - e_c) (x) a_i."""
        n, classes = self.p.shape
        each = self.p[:, None, :] - torch.eye(classes, dtype=self.p.dtype, device=self.p.device)
        each = (each * self.p.sqrt()[:, :, None]).flatten(0, 1)
        inner = self.inputs @ self.inputs.T / n
        product = (each @ each.T).view(n, classes, n, classes)
        return product.mul_(inner[:, None, :, None]).view(n * classes, -1)

    def drawn_gram(self, generator: torch.Generator) -> Tensor:
        """R R^T (n, n) of one row per sample, at a label drawn from p."""
        y = torch.multinomial(self.p.cpu(), 1, generator=generator).to(self.p.device)
        back = self.p.scatter_add(1, y, -torch.ones_like(self.p[:, :1]))
        return (back @ back.T) * (self.inputs @ self.inputs.T) / len(back)

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
        alpha, t = self._solved(g, lam)
        direction = self._vector(alpha * g + t.T @ self.inputs / sqrt(len(t)))
        length = float(gradient.double() @ direction)
        return NaturalDirection(direction.to(gradient.dtype), lam, length)

    def _solved(self, g: Tensor, damping: float) -> tuple[Tensor, Tensor]:
        """(alpha, t) of (F + damping I)^-1 g."""
        u = self.inputs @ g.T / sqrt(len(self.p))
        gram, square_of_g = self.inputs @ self.inputs.T / len(self.p), g.square().sum()

        def times_m(v: Tensor) -> Tensor:
            t, out = v[1:].view_as(u), torch.empty_like(v)
            out[0] = v[0] * square_of_g + u.flatten() @ v[1:]
            torch.addmm(u, gram, t, beta=float(v[0]), out=out[1:].view_as(u))
            return out

        left = u.new_zeros(1 + u.numel())  # the residual, which is g first
        left[0] = 1
        found, along, m_along = torch.zeros_like(left), left.clone(), times_m(left)
        square = first = float(left @ m_along)
        for _ in range(PRODUCTS):
            if square <= TOLERANCE**2 * first:
                break
            image = damping * along
            image[1:] += self._times_s(m_along[1:].view_as(u)).flatten()
            step = square / float(m_along @ image)
            found.add_(along, alpha=step)
            left.sub_(image, alpha=step)
            m_left = times_m(left)
            before, square = square, float(left @ m_left)
            along.mul_(square / before).add_(left)
            m_along.mul_(square / before).add_(m_left)
        return found[0], found[1:].view_as(u)

    def _times_s(self, u: Tensor) -> Tensor:
        """S u, sample by sample."""
        weighted = self.p * u
        return weighted.addcmul_(self.p, weighted.sum(1, keepdim=True), value=-1)

    def _matrix(self, vector: Tensor) -> Tensor:
        classes = self.p.shape[1]
        weight, bias = vector.tensor_split([len(vector) - self.bias * classes])
        return torch.cat([weight.view(classes, -1), bias.view(classes, -1)], 1)

    def _vector(self, matrix: Tensor) -> Tensor:
        weight, bias = matrix.tensor_split([matrix.shape[1] - self.bias], 1)
        return torch.cat([weight.flatten(), bias.flatten()])


def rows_fit(rows: int, weights: int) -> bool:
    """Whether so many rows are few enough to be written out and solved with.

    Raises ConfigError where NGF_FISHER_MB is no positive number.
    """
    return 4e-6 * rows * weights <= _megabytes() and min(rows, weights) <= LARGEST_SIDE


def _megabytes() -> float:
    given = os.environ.get(VARIABLE, "").strip()
    try:
        most = float(given or MEGABYTES)
    except ValueError:
        most = nan
    if not 0 < most < inf:
        raise ConfigError(VARIABLE, f"{given[:40]!r} is no positive number",
                          f"Give megabytes for the rows of a Fisher matrix, e.g. {MEGABYTES:g}.")
    return most
