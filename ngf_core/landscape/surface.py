"""The loss on a grid of a plane, or along a line.

Every point is placed afresh, origin + x u + y v in float64, on a private copy of the model: no
error builds up along a row, and no row is shifted against the next.
"""

import copy
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ngf_core.errors import ConfigError, NGFError
from ngf_core.landscape.directions import Direction
from ngf_core.landscape.plane import Plane, check_same_tensors, model_state

Batches = Mapping[str, tuple[Tensor, Tensor]]
Progress = Callable[[int, int], None]
Chunks = list[tuple[Tensor, Tensor]]

# Images per forward pass. Larger ones fall out of the processor's cache, smaller ones pay the
# cost of each call more often.
CHUNK = 100


def surface(model: nn.Module, plane: Plane, xs: Sequence[float] | Tensor,
            ys: Sequence[float] | Tensor, batches: Batches,
            progress: Progress | None = None) -> dict[str, Tensor]:
    """Mean cross-entropy at every (x, y), for each named data set: (len(ys), len(xs)) float64.

    Element [i, j] is the loss at origin + xs[j] u + ys[i] v, in nats, the mean over all samples of
    the data set, in evaluation mode; logits in the model's dtype, loss and sum in float64. `model`
    gives the architecture only: it is copied, and not touched even if `progress` raises. Its
    outputs must not depend on which samples share a batch, as is so for BatchNorm with running
    statistics. Losses that overflow come back as inf or nan; nothing is clipped.

    xs, ys: strictly increasing. batches: name -> (inputs (n, ...), labels (n,) of whole numbers).
    `progress(done, total)` is called after each grid point. Raises ConfigError for a bad grid or
    data set, NGFError if plane and model do not fit.
    """
    rows = surface_rows(model, plane, xs, ys, batches, progress)
    collected = [row for _, row in rows]
    return {name: torch.stack([row[name] for row in collected]) for name in batches}


def surface_rows(model: nn.Module, plane: Plane, xs: Sequence[float] | Tensor,
                 ys: Sequence[float] | Tensor, batches: Batches,
                 progress: Progress | None = None) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """`surface` row by row: yields (i, name -> row i of the surface, (len(xs),) float64).

    For a worker that streams its rows, or stops between them. Arguments are checked at once, not
    at the first row.
    """
    xs, ys = _axis("xs", xs), _axis("ys", ys)
    check_same_tensors(model_state(model), plane.origin, "the model", "the plane")
    device = next(iter(plane.origin.values())).device
    chunks = {name: _chunks(name, *batch, device) for name, batch in _named(batches).items()}
    images = any(inputs.dim() == 4 for parts in chunks.values() for inputs, _ in parts)
    private = copy.deepcopy(model).requires_grad_(False).eval().to(device)
    if images:
        private = private.to(memory_format=torch.channels_last)
    return _rows(private, plane, xs, ys, chunks, progress)


def line(model: nn.Module, direction: Direction, ts: Sequence[float] | Tensor, batches: Batches,
         progress: Progress | None = None) -> dict[str, Tensor]:
    """Mean cross-entropy at model + t direction, for each named data set: (len(ts),) float64.

    Otherwise as `surface`; BatchNorm's running statistics stay the model's.
    """
    origin = model_state(model)
    for name, d in direction.items():
        if name not in origin or d.shape != origin[name].shape:
            raise NGFError(f"The direction moves {name} with shape {tuple(d.shape)}, which the "
                           "model does not have. Draw the direction from a model of this "
                           "architecture.")
    names = tuple(name for name, _ in model.named_parameters())
    along = Plane(origin, direction, {}, names)
    losses = surface(model, along, _axis("ts", ts), [0.0], batches, progress)
    return {name: row[0] for name, row in losses.items()}


def _rows(private: nn.Module, plane: Plane, xs: list[float], ys: list[float],
          chunks: dict[str, Chunks], progress: Progress | None,
          ) -> Iterator[tuple[int, dict[str, Tensor]]]:
    tensors = dict(private.named_parameters()) | dict(private.named_buffers())
    with torch.inference_mode():
        for name, value in plane.origin.items():
            tensors[name].copy_(value)
    moved, done = plane.moved, 0
    for row, y in enumerate(ys):
        losses: dict[str, list[float]] = {name: [] for name in chunks}
        for x in xs:
            # Not around the yield: the mode would leak into the caller's code between rows.
            with torch.inference_mode():
                for name in moved:
                    tensors[name].copy_(plane.value(name, x, y))
                for name, parts in chunks.items():
                    losses[name].append(_mean_loss(private, parts))
            done += 1
            if progress is not None:
                progress(done, len(xs) * len(ys))
        yield row, {name: torch.tensor(values, dtype=torch.float64)
                    for name, values in losses.items()}


def _mean_loss(model: nn.Module, chunks: Chunks) -> float:
    total, count = 0.0, 0
    for inputs, labels in chunks:
        logits = model(inputs)
        if int(labels.max()) >= logits.shape[1]:
            raise ConfigError("batches", f"a label is {int(labels.max())}, but the model has "
                              f"{logits.shape[1]} classes", "Give labels of the model's classes.")
        total += float(functional.cross_entropy(logits.double(), labels, reduction="sum"))
        count += len(labels)
    return total / count


def _chunks(name: str, inputs: Tensor, labels: Tensor, device: torch.device) -> Chunks:
    if len(inputs) == 0:
        raise ConfigError("batches", f"the data set {name!r} is empty",
                          "Give it at least one image.")
    if labels.dim() != 1 or labels.is_floating_point() or len(labels) != len(inputs):
        raise ConfigError("batches", f"the data set {name!r} has {len(inputs)} inputs and labels "
                          f"of shape {tuple(labels.shape)} and type {labels.dtype}",
                          "Give one whole-number label for each input.")
    # cross_entropy leaves out the label -100 without a word.
    if int(labels.min()) < 0:
        raise ConfigError("batches", f"the data set {name!r} has the label {int(labels.min())}",
                          "Labels count from 0.")
    if inputs.dim() == 4:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    inputs, labels = inputs.detach().to(device), labels.to(device, torch.int64)
    return list(zip(inputs.split(CHUNK), labels.split(CHUNK)))


def _named(batches: Batches) -> Batches:
    if not batches:
        raise ConfigError("batches", "no data set is named",
                          'Give at least one, as {"clean": (inputs, labels)}.')
    return batches


def _axis(field: str, values: Sequence[float] | Tensor) -> list[float]:
    axis = [float(value) for value in values]
    if not axis:
        raise ConfigError(field, "there are no points", "Give at least one number.")
    if not all(map(math.isfinite, axis)):
        raise ConfigError(field, "not every number is finite", "Give finite numbers.")
    if any(right <= left for left, right in itertools.pairwise(axis)):
        raise ConfigError(field, "the numbers do not increase",
                          "List each point once, from the smallest to the largest.")
    return axis
