"""One update of a purification method, the budget it counts against, and its schedule.

A method is a function `(model, clean, settings, budget) -> Iterator[Step]` that tunes the model
it is given in place and yields after every update. `settings` are its own, `budget` is the same for
all methods. It sees clean images only. `budget.steps` counts passes forward and back over one clean
batch.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from ngf_core.errors import NGFError
from ngf_core.purify.budget import Budget


@dataclass(frozen=True)
class Step:
    """One update: passes spent so far (at least 1), the clean batch's loss before it, tuning
    seconds so far.

    A pass is one batch forward and back; an update takes one in most methods, more in those with
    an ascent before it (FT-SAM, ANP). `kl` is s^2 d^T (F + lambda I) d of a natural step, about
    twice the KL divergence it caused. `found` is what a method reports (channels cut, classes
    flagged), as JSON values.
    """

    step: int
    loss: float
    seconds: float
    kl: float | None = None
    found: dict[str, Any] | None = None


# Any: a CleanSet, for some methods also batches of one; and each method's own MethodSettings.
Purifier = Callable[[nn.Module, Any, Any, Budget], Iterator[Step]]


class Diverged(NGFError):
    """A purification that could not continue; what it had reached before is kept."""


def is_last(step: Step, budget: Budget, cost: int = 1) -> bool:
    """Whether no update of `cost` passes follows `step`: the passes or the seconds are used up."""
    return step.step + cost > budget.steps or 0 < budget.seconds <= step.seconds


def part_of(budget: Budget, share: float, steps: int) -> Budget:
    """The budget of a phase that has `steps` passes, and that share of the seconds."""
    return replace(budget, steps=steps, seconds=share * budget.seconds)


class Stopwatch:
    """Seconds spent tuning; what the consumer of an iterator does between steps is not counted."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._started


def cosine(step: int, steps: int) -> float:
    """Falls from 1 at step 0 towards 0 at `steps`."""
    return 0.5 * (1 + math.cos(math.pi * step / steps))
