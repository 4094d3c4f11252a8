"""One-dimensional views between models: the chord, and the recorded points of a path."""

from collections.abc import Mapping, Sequence
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ngf_core.curvature.operators.loss import Loss
from ngf_core.errors import NGFError
from ngf_core.landscape.evaluator import MEMORY, Progress
from ngf_core.landscape.plane import (
    Plane,
    check_finite,
    check_fixed_buffers,
    check_same_tensors,
    model_state,
    parameter_names,
)
from ngf_core.landscape.samples import Batches
from ngf_core.landscape.surface import losses_at
from ngf_core.ranks.group import Ranks


def chord(a: nn.Module, b: nn.Module, names: tuple[str, str] = ("first", "second")) -> Plane:
    """The straight line through two models: x = 0 is a, x = 1 is b, all weights moving.

    (1 - x) a + x b over parameters and floating-point buffers (Goodfellow, Vinyals, Saxe,
    "Qualitatively characterizing neural network optimization problems", 2015, arXiv 1412.6544), so
    both ends are the models with their own BatchNorm statistics; in between these are
    interpolated, not measured. Beyond the ends no variance falls below the smaller of the two.
    y moves nothing. `names` are used in messages. Raises NGFError if the architectures differ or a
    value is not finite.
    """
    states = [model_state(model) for model in (a, b)]
    check_same_tensors(states[1], states[0], f"the model {names[1]!r}", f"the model {names[0]!r}")
    check_fixed_buffers(b, a, names[1], names[0])
    for name, state in zip(names, states, strict=True):
        check_finite(state, name)
    way = {name: states[1][name].double() - value.double() for name, value in states[0].items()}
    moved = {name: step for name, step in way.items() if step.any()}
    floors = {name: torch.minimum(states[0][name].double(), states[1][name].double())
              for name in moved if name.endswith("running_var")}
    return Plane(states[0], moved, {}, parameter_names(a), floors)


def path_losses(model: nn.Module, states: Sequence[Mapping[str, Tensor]], batches: Batches,
                progress: Progress | None = None, *, loss: Loss = cross_entropy,
                memory: int = MEMORY, ranks: Ranks | None = None) -> dict[str, Tensor]:
    """The exact loss at each recorded point of a path, for each named data set: (s,) float64.

    states: name -> tensor, all with the same names; what they do not name is as in `model`, and so
    are whole numbers, such as BatchNorm's count of batches.
    `progress(done, total)` is called after every three points. Raises NGFError for a name or shape
    that the model does not have, no states or unlike ones, and what `losses_at` raises.
    """
    if not states or any(set(state) != set(states[0]) for state in states):
        raise NGFError("The path has no points, or they do not name the same tensors. Give at "
                       "least one point, and the same names for each.")
    origin, parameters = model_state(model), parameter_names(model)
    places = []
    for state in states:
        place = {n: t.detach().double().to(origin[n].device) if n in origin else t
                 for n, t in state.items() if t.is_floating_point()}
        check_same_tensors(origin | place, origin, "the path", "the model")
        places.append(place)
    losses: dict[str, list[Tensor]] = {name: [] for name in batches}
    # Three points at a time, as the corners of a plane: setting up a plane costs as much as a few.
    for start in range(0, len(places), 3):
        first, *others = places[start:start + 3]
        u, v = ({n: there[n] - first[n] for n in first} for there in (*others, first, first)[:2])
        corners = Plane(origin | {n: t.to(origin[n]) for n, t in first.items()}, u, v, parameters)
        found = losses_at(model, corners, [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)][:len(others) + 1],
                          batches, loss=loss, memory=memory, ranks=ranks)
        for name, row in found.items():
            losses[name].append(row)
        if progress is not None:
            progress(start + 1 + len(others), len(places))
    return {name: torch.cat(row) for name, row in losses.items()}


def arc_length(states: Sequence[Mapping[str, Tensor]]) -> Tensor:
    """The path's length in straight pieces up to each point, (s,) float64, 0 at the first."""
    pieces = [torch.zeros((), dtype=torch.float64)]
    for before, after in zip(states, states[1:], strict=False):
        squares = ((after[n].double() - before[n].double()).square().sum().cpu() for n in before)
        pieces.append(reduce(torch.add, squares).sqrt())
    return torch.stack(pieces).cumsum(0)
