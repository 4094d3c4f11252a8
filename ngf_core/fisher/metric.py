"""The Fisher matrices NGF can step with, each as what it keeps of a batch and how it solves.

true, empirical   the matrix itself, solved exactly (`natural.py`): of up to LARGEST weights as a
                  running mean over the batches, of more by the rows of the last batch (`rows.py`),
                  or without them where the last layer has many classes (`softmax_head.py`).
kfac              its Kronecker factors at labels drawn from the model, as running means.
diagonal          its diagonal, as a running mean: each weight separately, as in adaptive methods.

The mean matters most where the rows of one batch span few of the directions that clean images use:
a step is long wherever F is small, and there a single batch's F is small by chance.

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
from ngf_core.fisher.natural import (
    FLOAT32_DAMPING,
    Damping,
    NaturalDirection,
    natural_direction,
    natural_direction_of_matrix,
)
from ngf_core.fisher.per_sample import Tapped
from ngf_core.fisher.rows import (
    drawn_labels,
    gradient_and_rows,
    gradient_of,
    is_exact,
    joint_diagonal,
    last_layer_matrix,
    wide_head,
)
from ngf_core.fisher.softmax_head import SoftmaxHead

# Bytes that the rows of an exact matrix may take.
ROWS_MEMORY = 6_000_000_000
# Weights up to which the matrix itself is kept: 290 MB in float64, and 2 s to solve on one core.
LARGEST = 6_000


class Metric(Protocol):
    """A damped Fisher matrix F + lambda I of tapped layers that follows the batches."""

    def observe(self, taps: Sequence[Tapped], loss: Tensor, y: Tensor) -> Tensor:
        """Add a batch; returns the gradient (P,) of its mean cross-entropy `loss` at labels y."""

    def solve(self, gradient: Tensor) -> NaturalDirection:
        """(F + lambda I)^-1 gradient. Raises NGFError where that cannot be computed."""


class ExactMetric:
    """The matrix of `kind` true or empirical, of the last batch: its rows, or where these are too
    many the last layer's structure (`softmax_head.py`).

    Raises ConfigError for a batch whose rows are larger than ROWS_MEMORY.
    """

    def __init__(self, kind: str, damping: Damping, generator: torch.Generator) -> None:
        self._kind, self._damping, self._generator = kind, damping, generator
        self._head: SoftmaxHead | None = None

    def observe(self, taps: Sequence[Tapped], loss: Tensor, y: Tensor) -> Tensor:
        self._head = wide_head(self._kind, taps)
        if self._head is None:
            _refuse_too_many(taps)
        self._least = least_trace(taps)
        if self._head is not None:
            return gradient_of(loss, taps)
        gradient, rows = gradient_and_rows(self._kind, taps, loss, y, self._generator)
        self._rows = list(rows)
        return gradient

    def solve(self, gradient: Tensor) -> NaturalDirection:
        if self._head is not None:
            return self._head.direction(gradient, self._damping, self._least)
        rows, self._rows = self._rows, []  # gigabytes on a large layer, and used only once
        return natural_direction(rows, gradient, self._damping, self._least)


class MeanMetric:
    """The matrix of `kind` true or empirical as a running mean: `decay` is the weight of the older
    batches, the first is taken whole."""

    def __init__(self, kind: str, damping: Damping, generator: torch.Generator, decay: float
                 ) -> None:
        self._kind, self._damping, self._generator = kind, damping, generator
        self._decay = decay
        self._mean: Tensor | None = None

    def observe(self, taps: Sequence[Tapped], loss: Tensor, y: Tensor) -> Tensor:
        self._least = least_trace(taps)
        if is_exact(self._kind, taps):
            gradient = gradient_of(loss, taps)
            matrix, self._rows = last_layer_matrix(taps[0]), taps[0].logits.numel()
        else:
            gradient, blocks = gradient_and_rows(self._kind, taps, loss, y, self._generator)
            rows = torch.cat(list(blocks), 1)
            if self._damping.value < FLOAT32_DAMPING:
                rows = rows.double()
            matrix, self._rows = rows.T @ rows, len(rows)
        self._mean = _mixed(self._mean, matrix.double(), self._decay)
        return gradient

    def solve(self, gradient: Tensor) -> NaturalDirection:
        assert self._mean is not None  # a batch was observed
        return natural_direction_of_matrix(self._mean, self._rows, gradient, self._damping,
                                           self._least)


class DiagonalMetric:
    """diag(F) as a running mean, F the true Fisher at labels drawn from the model."""

    def __init__(self, damping: Damping, generator: torch.Generator, decay: float = 0.0) -> None:
        self._damping, self._generator, self._decay = damping, generator, decay
        self._diagonal: Tensor | None = None

    def observe(self, taps: Sequence[Tapped], loss: Tensor, y: Tensor) -> Tensor:
        self._least = least_trace(taps)
        gradient = gradient_of(loss, taps, retain_graph=True)
        found = joint_diagonal("true", taps, y, self._generator)
        self._rows = taps[0].logits.numel() if is_exact("true", taps) else len(y)
        self._diagonal = _mixed(self._diagonal, found, self._decay)
        return gradient

    def solve(self, gradient: Tensor) -> NaturalDirection:
        assert self._diagonal is not None  # a batch was observed
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
        _refuse_no_factors(taps)
        self._least = least_trace(taps)
        if self._batches % self._every == 0:
            drawn = drawn_labels(taps[0], self._generator)
            losses = F.cross_entropy(taps[0].logits, drawn, reduction="sum")
            outputs = [tapped.output for tapped in taps]
            backs = torch.autograd.grad(losses, outputs, retain_graph=True, materialize_grads=True)
            new = [factors(tapped.layer, tapped.input, back)
                   for tapped, back in zip(taps, backs, strict=True)]
            if self._found:
                new = [old.mixed(newer, self._decay)
                       for old, newer in zip(self._found, new, strict=True)]
            self._found, self._samples = new, len(y)
        self._batches += 1
        self._sizes = [sum(p.numel() for p in tapped.layer.parameters()) for tapped in taps]
        return gradient_of(loss, taps)

    def solve(self, gradient: Tensor) -> NaturalDirection:
        trace = sum(found.trace for found in self._found)
        damping = self._damping.of(trace, self._samples, self._least)
        solved = [kfac_direction(found, part, damping) for found, part in
                  zip(self._found, gradient.split(self._sizes), strict=True)]
        return NaturalDirection(torch.cat([block.direction for block in solved]), damping,
                                sum(block.length for block in solved))


def metric(kind: str, damping: Damping, generator: torch.Generator, decay: float = 0.0,
           every: int = 1, weights: int = 0) -> Metric:
    """The metric of one of FISHERS for layers of so many `weights` together; `every` is K-FAC's."""
    if kind == "kfac":
        return KroneckerMetric(damping, generator, decay, every)
    if kind == "diagonal":
        return DiagonalMetric(damping, generator, decay)
    if decay and weights <= LARGEST:
        return MeanMetric(kind, damping, generator, decay)
    return ExactMetric(kind, damping, generator)


def _mixed(old: Tensor | None, new: Tensor, decay: float) -> Tensor:
    """decay times the old and 1 - decay times the new; the new alone where there is no old."""
    return new if old is None else torch.lerp(new, old, decay)


def _refuse_no_factors(taps: Sequence[Tapped]) -> None:
    other = next((tapped.layer for tapped in taps if tapped.through is not None), None)
    if other is not None:
        raise ConfigError("fisher", f"K-FAC has no factors for a {type(other).__name__} with a "
                          "forward pass or a padding of its own, or one that does not run once",
                          "Choose another layer, or another Fisher matrix.")


def _refuse_too_many(taps: Sequence[Tapped]) -> None:
    samples = len(taps[0].logits)
    each = sum(p.numel() * p.element_size() for t in taps for p in t.layer.parameters())
    if samples * each > ROWS_MEMORY:
        most = ROWS_MEMORY // each
        smaller = f"batch_size={most}, " if most > 1 else ""
        raise ConfigError("layer", f"per-sample gradients of {samples} images and {len(taps)} "
                          f"layer{'s' * (len(taps) > 1)} take {samples * each / 1e9:.1f} GB, above "
                          f"{ROWS_MEMORY / 1e9:g}", f"Use {smaller}fisher=kfac or fewer layers.")
