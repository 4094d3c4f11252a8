"""The loss of both models of a pair on one random plane: the same directions, around each."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ngf_core.curvature.operators.memory import MEMORY
from ngf_core.landscape import random_plane, surface

SPAN, POINTS = 1.0, 11


def plane_of_both(before: nn.Module, after: nn.Module, images: tuple[Tensor, Tensor], *,
                  parameters: Sequence[str] | None = None, seed: int = 0, memory: int = MEMORY,
                  on_point: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """Mean clean loss on `POINTS` x `POINTS` points up to `SPAN` filter norms around each model.

    The two directions are drawn with `seed` and filter-normalised on `before` (Li et al. 2018,
    section 4); `after` is seen along the very same ones, not scaled to its own filters. They move
    `parameters`, all where None. before, after: rows over y of columns over x.
    """
    drawn = random_plane(before, torch.Generator().manual_seed(seed))
    if parameters is not None:
        u, v = ({name: direction[name] for name in parameters if name in direction}
                for direction in (drawn.u, drawn.v))
        drawn = replace(drawn, u=u, v=v)

    def progress(done: int, total: int) -> None:
        on_point()

    side = torch.linspace(-SPAN, SPAN, POINTS, dtype=torch.float64)
    losses = {role: surface(model, drawn.around(model), side, side, {"clean": images},
                            progress, memory=memory)["clean"].tolist()
              for role, model in (("before", before), ("after", after))}
    return {"span": SPAN, "side": side.tolist(), **losses}
