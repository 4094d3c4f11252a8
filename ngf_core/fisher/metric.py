"""The Fisher matrices NGF can step with, each as what it keeps of a batch and how it solves.

true, empirical   the matrix itself, by its rows (`rows.py`), solved exactly (`natural.py`).
kfac              its Kronecker factors at labels drawn from the model, as running means.
diagonal          its diagonal: each weight separately, as in adaptive gradient methods.

Of several layers the first two are the joint matrix, including the blocks between layers; K-FAC and
the diagonal have no such blocks (K-FAC is block-diagonal, as published). The damping is one number
for all layers, relative to the joint trace, or to its lower bound where the model is certain of the
batch (`certainty.py`).
"""

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from ngf_core.errors import ConfigError
from ngf_core.fisher.certainty import least_trace
from ngf_core.fisher.kfac import Factors, factors, kfac_direction
from ngf_core.fisher.natural import Damping, NaturalDirection, natural_direction
from ngf_core.fisher.per_sample import Tapped
from ngf_core.fisher.rows import drawn_labels, gradient_and_rows

# Bytes that the rows of an exact matrix may take.
ROWS_MEMORY = 6_000_000_000


class Metric(Protocol):
    """A damped Fisher matrix F + lambda I of tapped layers that follows the batches."""

    def observe(self, taps: Sequence[Tapped], loss: Tensor, y: Tensor) -> Tensor:
        """Add a batch; returns the gradient (P,) of its mean cross-entropy `loss` at labels y."""

    def solve(self, gradient: Tensor) -> NaturalDirection:
        """(F + lambda I)^-1 gradient. Raises NGFError where that cannot be computed."""


class ExactMetric:
    """The matrix of `kind` true or empirical, of the last batch.

    Raises ConfigError for a batch whose rows are larger than ROWS_MEMORY.
    """

    def __init__(self, kind: str, damping: Damping, generator: torch.Generator) -> None:
        self._kind, self._damping, self._generator = kind, damping, generator

    def observe(self, taps: Sequence[Tapped], loss: Tensor, y: Tensor) -> Tensor:
        _refuse_too_many(taps)
        self._least = least_trace(taps)
        gradient, rows = gradient_and_rows(self._kind, taps, loss, y, self._generator)
        self._rows = list(rows)
        return gradient

    def solve(self, gradient: Tensor) -> NaturalDirection:
        rows, self._rows = self._rows, []  # gigabytes on a large layer, and used only once
        return natural_direction(rows, gradient, self._damping, self._least)


class DiagonalMetric:
    """diag(F) of the last batch, F the true Fisher at labels drawn from the model."""

    def __init__(self, damping: Damping, generator: torch.Generator) -> None:
        self._damping, self._generator = damping, generator

    def observe(self, taps: Sequence[Tapped], loss: Tensor, y: Tensor) -> Tensor:
        self._least = least_trace(taps)
        gradient, rows = gradient_and_rows("true", taps, loss, y, self._generator)
        parts = []
        for block in rows:  # one layer's at a time
            parts.append(torch.linalg.vector_norm(block, dim=0).double() ** 2)
            self._rows = len(block)
        self._diagonal = torch.cat(parts)
        return gradient

    def solve(self, gradient: Tensor) -> NaturalDirection:
        damping = self._damping.of(float(self._diagonal.sum()), self._rows, self._least)
        direction = (gradient / (self._diagonal + damping)).to(gradient.dtype)
        return NaturalDirection(direction, damping, float(gradient.double() @ direction.double()))


class KroneckerMetric:
    """K-FAC's factors at labels drawn from the model, as running means; one block per layer.

    decay: weight of the old factors where new ones come (0 keeps none; the first are taken whole).
    every: batches from one renewal to the next.
    """

    def __init__(self, damping: Damping, generator: torch.Generator, decay: float = 0.0,
                 every: int = 1) -> None:
        self._damping, self._generator, self._decay, self._every = damping, generator, decay, every
        self._found: list[Factors] = []
        self._batches = self._samples = 0

    def observe(self, taps: Sequence[Tapped], loss: Tensor, y: Tensor) -> Tensor:
        self._least = least_trace(taps)
        if self._batches % self._every == 0:
            drawn = drawn_labels(taps[0], self._generator)
            losses = F.cross_entropy(taps[0].logits, drawn, reduction="sum")
            outputs = [tapped.output for tapped in taps]
            new = [factors(tapped.layer, tapped.input, back) for tapped, back in
                   zip(taps, torch.autograd.grad(losses, outputs, retain_graph=True), strict=True)]
            if self._found:
                new = [old.mixed(newer, self._decay)
                       for old, newer in zip(self._found, new, strict=True)]
            self._found, self._samples = new, len(y)
        self._batches += 1
        self._sizes = [sum(p.numel() for p in tapped.layer.parameters()) for tapped in taps]
        parts = torch.autograd.grad(loss, [p for t in taps for p in t.layer.parameters()])
        return torch.cat([part.reshape(-1) for part in parts])

    def solve(self, gradient: Tensor) -> NaturalDirection:
        trace = sum(found.trace for found in self._found)
        damping = self._damping.of(trace, self._samples, self._least)
        solved = [kfac_direction(found, part, damping) for found, part in
                  zip(self._found, gradient.split(self._sizes), strict=True)]
        return NaturalDirection(torch.cat([block.direction for block in solved]), damping,
                                sum(block.length for block in solved))


def metric(kind: str, damping: Damping, generator: torch.Generator, decay: float = 0.0,
           every: int = 1) -> Metric:
    """The metric of one of FISHERS. `decay` and `every` are K-FAC's."""
    if kind == "kfac":
        return KroneckerMetric(damping, generator, decay, every)
    if kind == "diagonal":
        return DiagonalMetric(damping, generator)
    return ExactMetric(kind, damping, generator)


def _refuse_too_many(taps: Sequence[Tapped]) -> None:
    samples = len(taps[0].logits)
    each = sum(p.numel() * p.element_size() for t in taps for p in t.layer.parameters())
    if samples * each > ROWS_MEMORY:
        most = ROWS_MEMORY // each
        smaller = f"batch_size={most}, " if most > 1 else ""
        raise ConfigError("layer", f"per-sample gradients of {samples} images and {len(taps)} "
                          f"layer{'s' * (len(taps) > 1)} take {samples * each / 1e9:.1f} GB, above "
                          f"{ROWS_MEMORY / 1e9:g}", f"Use {smaller}fisher=kfac or fewer layers.")
