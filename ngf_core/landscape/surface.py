"""The loss on a grid of a plane, along a line, or at any points."""

import itertools
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ngf_core.curvature.operators.loss import Loss
from ngf_core.errors import ConfigError, NGFError
from ngf_core.landscape.directions import Direction
from ngf_core.landscape.evaluator import MEMORY, Evaluator, Points, Progress
from ngf_core.landscape.plane import Plane, model_state
from ngf_core.landscape.samples import Batches
from ngf_core.landscape.shared_points import shared
from ngf_core.ranks.group import Ranks


def surface(model: nn.Module, plane: Plane, xs: Sequence[float] | Tensor,
            ys: Sequence[float] | Tensor, batches: Batches, progress: Progress | None = None, *,
            loss: Loss = cross_entropy, memory: int = MEMORY) -> dict[str, Tensor]:
    """Mean loss at every (x, y), for each named data set: (len(ys), len(xs)) float64.

    Element [i, j] is the loss at origin + xs[j] u + ys[i] v, as `Evaluator` has it. xs, ys:
    strictly increasing. `progress(done, total)` is called after each grid point. Raises
    ConfigError for a bad grid or data set, NGFError if plane and model do not fit.
    """
    rows = surface_rows(model, plane, xs, ys, batches, progress, loss=loss, memory=memory)
    collected = [row for _, row in rows]
    return {name: torch.stack([row[name] for row in collected]) for name in batches}


def surface_rows(model: nn.Module, plane: Plane, xs: Sequence[float] | Tensor,
                 ys: Sequence[float] | Tensor, batches: Batches,
                 progress: Progress | None = None, *, loss: Loss = cross_entropy,
                 memory: int = MEMORY) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """`surface` row by row: yields (i, name -> row i of the surface, (len(xs),) float64).

    For a worker that streams its rows, or stops between them. Arguments are checked at once, not
    at the first row.
    """
    xs, ys = check_axis("xs", xs), check_axis("ys", ys)
    return _rows(Evaluator(model, plane, batches, loss=loss, memory=memory), xs, ys, progress)


def line(model: nn.Module, direction: Direction, ts: Sequence[float] | Tensor, batches: Batches,
         progress: Progress | None = None, *, loss: Loss = cross_entropy,
         memory: int = MEMORY) -> dict[str, Tensor]:
    """Mean loss at model + t direction, for each named data set: (len(ts),) float64.

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
    losses = surface(model, along, check_axis("ts", ts), [0.0], batches, progress, loss=loss,
                     memory=memory)
    return {name: row[0] for name, row in losses.items()}


def losses_at(model: nn.Module, plane: Plane, points: Points, batches: Batches,
              progress: Progress | None = None, *, loss: Loss = cross_entropy,
              memory: int = MEMORY, ranks: Ranks | None = None) -> dict[str, Tensor]:
    """Mean loss at each of `points` (n, 2), for each named data set: (n,) float64.

    For one list of points; where more will follow, make an `Evaluator` and call it each time.
    ranks: which compute a share of the points each, see `SharedPoints`.
    """
    evaluator = Evaluator(model, plane, batches, loss=loss, memory=memory)
    return shared(evaluator, ranks).losses(points, progress)


def _rows(evaluator: Evaluator, xs: list[float], ys: list[float], progress: Progress | None,
          ) -> Iterator[tuple[int, dict[str, Tensor]]]:
    report = progress or (lambda *_: None)
    for row, y in enumerate(ys):
        def count(done: int, _: int, before: int = row * len(xs)) -> None:
            report(before + done, len(xs) * len(ys))

        yield row, evaluator.losses([(x, y) for x in xs], count)


def check_axis(field: str, values: Sequence[float] | Tensor) -> list[float]:
    """The numbers of an axis; raises ConfigError unless they are finite and increase."""
    axis = [float(value) for value in values]
    if not axis:
        raise ConfigError(field, "there are no points", "Give at least one number.")
    if not all(map(math.isfinite, axis)):
        raise ConfigError(field, "not every number is finite", "Give finite numbers.")
    if any(right <= left for left, right in itertools.pairwise(axis)):
        raise ConfigError(field, "the numbers do not increase",
                          "List each point once, from the smallest to the largest.")
    return axis
