"""The Fisher matrices NGF can step with, each as what it keeps of a batch and how it solves.

true, empirical   the matrix itself, by its rows (`rows.py`), solved exactly (`natural.py`).
kfac              its Kronecker factors at labels drawn from the model, as running means.
diagonal          its diagonal: every weight for itself, as in adaptive gradient methods.
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ngf_core.fisher.kfac import Factors, factors, kfac_direction
from ngf_core.fisher.natural import Damping, NaturalDirection, natural_direction
from ngf_core.fisher.per_sample import Tapped
from ngf_core.fisher.rows import drawn_labels, gradient_and_rows


class Metric(Protocol):
    """A damped Fisher matrix F + lambda I of one layer that follows the batches."""

    def look(self, tapped: Tapped, loss: Tensor, y: Tensor) -> Tensor:
        """Take in a batch; the gradient (P,) of its mean cross-entropy `loss` at labels y."""

    def solve(self, gradient: Tensor) -> NaturalDirection:
        """(F + lambda I)^-1 gradient. Raises NGFError where that cannot be had."""


class ExactMetric:
    """The matrix of `kind` true or empirical, of the last batch."""

    def __init__(self, kind: str, damping: Damping, generator: torch.Generator) -> None:
        self._kind, self._damping, self._generator = kind, damping, generator

    def look(self, tapped: Tapped, loss: Tensor, y: Tensor) -> Tensor:
        gradient, self._rows = gradient_and_rows(self._kind, tapped, loss, y, self._generator)
        return gradient

    def solve(self, gradient: Tensor) -> NaturalDirection:
        rows, self._rows = self._rows, None  # gigabytes on a large layer, and used only once
        return natural_direction(rows, gradient, self._damping)


class DiagonalMetric:
    """diag(F) of the last batch, F the true Fisher at labels drawn from the model."""

    def __init__(self, damping: Damping, generator: torch.Generator) -> None:
        self._damping, self._generator = damping, generator

    def look(self, tapped: Tapped, loss: Tensor, y: Tensor) -> Tensor:
        gradient, rows = gradient_and_rows("true", tapped, loss, y, self._generator)
        self._diagonal, self._rows = torch.linalg.vector_norm(rows, dim=0).double() ** 2, len(rows)
        return gradient

    def solve(self, gradient: Tensor) -> NaturalDirection:
        damping = self._damping.of(float(self._diagonal.sum()), self._rows)
        direction = (gradient / (self._diagonal + damping)).to(gradient.dtype)
        return NaturalDirection(direction, damping, float(gradient.double() @ direction.double()))


class KroneckerMetric:
    """K-FAC's factors at labels drawn from the model, as running means.

    decay: weight of the old factors where new ones come (0 keeps none; the first are taken whole).
    every: batches from one renewal to the next.
    """

    def __init__(self, damping: Damping, generator: torch.Generator, decay: float = 0.0,
                 every: int = 1) -> None:
        self._damping, self._generator, self._decay, self._every = damping, generator, decay, every
        self._found: Factors | None = None
        self._looks = self._samples = 0

    def look(self, tapped: Tapped, loss: Tensor, y: Tensor) -> Tensor:
        if self._looks % self._every == 0:
            drawn = drawn_labels(tapped, self._generator)
            losses = F.cross_entropy(tapped.logits, drawn, reduction="sum")
            (back,) = torch.autograd.grad(losses, tapped.output, retain_graph=True)
            new = factors(tapped.layer, tapped.input, back)
            self._found = new if self._found is None else self._found.mixed(new, self._decay)
            self._samples = len(y)
        self._looks += 1
        parts = torch.autograd.grad(loss, list(tapped.layer.parameters()))
        return torch.cat([part.reshape(-1) for part in parts])

    def solve(self, gradient: Tensor) -> NaturalDirection:
        return kfac_direction(self._found, gradient,
                              self._damping.of(self._found.trace, self._samples))


def metric(kind: str, damping: Damping, generator: torch.Generator, decay: float = 0.0,
           every: int = 1) -> Metric:
    """The metric of one of FISHERS. `decay` and `every` are K-FAC's."""
    if kind == "kfac":
        return KroneckerMetric(damping, generator, decay, every)
    if kind == "diagonal":
        return DiagonalMetric(damping, generator)
    return ExactMetric(kind, damping, generator)
