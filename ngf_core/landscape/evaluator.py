"""The exact loss at many points of a plane."""

import copy
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ngf_core.errors import ConfigError
from ngf_core.landscape.plane import Plane, check_same_tensors, model_state
from ngf_core.landscape.samples import Batches, check_batches, check_classes

Points = Sequence[tuple[float, float]] | Tensor
Progress = Callable[[int, int], None]

# Bytes that intermediate results may take.
MEMORY = 2**30
# Images per forward pass. Larger ones fall out of the processor's cache, smaller ones pay the
# cost of each call more often.
CHUNK = 100


class Evaluator:
    """The mean cross-entropy of each named data set at any points of a plane.

    The loss at (x, y) is that of `model` with the tensors origin + x u + y v, placed afresh in
    float64 for each point: nats, mean over all samples of the data set, in evaluation mode; logits
    in the model's dtype, loss and sum in float64. `model` gives the architecture only: it is
    copied here and never touched. Its outputs must not depend on which samples share a batch, as
    is so for BatchNorm with running statistics. Losses that overflow come back as inf or nan.

    batches: name -> (inputs (n, ...), labels (n,) of whole numbers). memory: bytes that
    intermediate results may take; less makes it slower, never different. Made once and called for
    many points. Raises ConfigError for a bad data set, NGFError if plane and model do not fit.
    """

    def __init__(self, model: nn.Module, plane: Plane, batches: Batches, *,
                 memory: int = MEMORY) -> None:
        check_same_tensors(model_state(model), plane.origin, "the model", "the plane")
        self._samples = check_batches(batches)
        self._device = next(iter(plane.origin.values())).device
        self._plane = plane
        self._model = copy.deepcopy(model).requires_grad_(False).eval().to(self._device)
        if any(samples.inputs.dim() == 4 for samples in self._samples):
            self._model = self._model.to(memory_format=torch.channels_last)
        self._tensors = (dict(self._model.named_parameters())
                         | dict(self._model.named_buffers()))
        with torch.inference_mode():
            for name, value in plane.origin.items():
                self._tensors[name].copy_(value)

    def losses(self, points: Points, progress: Progress | None = None) -> dict[str, Tensor]:
        """name -> the losses at `points` (n, 2) in their order, (n,) float64.

        `progress(done, total)` is called after each point; what it raises ends the call and leaves
        the evaluator usable. Raises ConfigError for points that are not finite pairs.
        """
        places = check_points(points)
        losses: dict[str, list[float]] = {samples.name: [] for samples in self._samples}
        for done, (x, y) in enumerate(places, 1):
            with torch.inference_mode():
                for name in self._plane.moved:
                    self._tensors[name].copy_(self._plane.value(name, x, y))
                for samples in self._samples:
                    total = 0.0
                    for inputs, labels in samples.chunks(CHUNK, self._device):
                        logits = self._model(inputs)
                        check_classes(labels, logits)
                        total += float(functional.cross_entropy(logits.double(), labels,
                                                                reduction="sum"))
                    losses[samples.name].append(total / len(samples))
            if progress is not None:
                progress(done, len(places))
        return {name: torch.tensor(row, dtype=torch.float64) for name, row in losses.items()}


def check_points(points: Points) -> list[tuple[float, float]]:
    """The points as pairs of floats; raises ConfigError where they are not finite pairs."""
    try:
        pairs = [(float(x), float(y)) for x, y in points]
    except (TypeError, ValueError):
        raise ConfigError("points", "not every point is a pair of numbers",
                          "Give each point as (x, y).") from None
    if not all(math.isfinite(c) for pair in pairs for c in pair):
        raise ConfigError("points", "not every coordinate is finite", "Give finite numbers.")
    return pairs
