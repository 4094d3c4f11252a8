"""Sharpness along a race, within a budget of seconds."""

import time
from collections.abc import Callable

import torch
from torch import nn

from ngf_core.curvature.tracking import METRICS, Look, look
from ngf_core.data.dataset import Images
from ngf_core.errors import NGFError

IMAGES = 50
SHARE = 0.25


class LiveSharpness:
    """Looks at the sharpness of racing models on some of the defender's clean images.

    A look is left out where it would raise the seconds of all looks above SHARE of the race's own
    (tuning and evaluating), so a race slows by at most that share, but for its first look. Methods
    are measured at the same evaluations. What is measured follows from the models alone, up to the
    error bar: each look starts from the eigenvector of the method's last one.

    clean: the defender's set; IMAGES of them, drawn with `seed`, are used, without augmentation.
    clock: seconds, for tests.
    """

    def __init__(self, clean: Images, seed: int,
                 clock: Callable[[], float] = time.perf_counter) -> None:
        drawn = torch.randperm(len(clean), generator=torch.Generator().manual_seed(seed))
        self._images, self._seed, self._clock = clean.take(drawn[:IMAGES]), seed, clock
        self._last: dict[str, Look] = {}
        self._first: Look | None = None
        self._wanted: dict[int, bool] = {}
        self._steps: list[int] = []
        self._latest = self._spent = self._race = 0.0

    def measure(self, method: str, model: nn.Module, step: int, race: float, rounds: int,
                last: bool = False) -> dict[str, float]:
        """The metrics of `method` after `step` updates; none where this look is left out.

        race: seconds that tuning and evaluating took so far. rounds: looks at this evaluation, one
        a method. last: the race ends here, so nothing has to be saved for a later look.
        """
        self._race = race
        if step == 0 and self._first is not None:  # all methods start from one model
            self._last[method] = self._first
            return self._first.metrics()
        if step not in self._wanted:
            ahead = rounds if last else 2 * rounds
            self._wanted[step] = step == 0 or self._spent + ahead * self._latest <= SHARE * race
        if not self._wanted[step]:
            return {}
        began = self._clock()
        try:
            found = look(model, self._images.x, self._images.y, self._last.get(method), self._seed)
        except NGFError:  # a model whose loss is not finite has no curvature
            return {}
        finally:
            self._latest = self._clock() - began
            self._spent += self._latest
        self._last[method] = found
        if step == 0:
            self._first = found
            # The first look has the most products to make; what follows costs about half.
            self._latest /= 2
        if not self._steps or self._steps[-1] != step:
            self._steps.append(step)
        return found.metrics()

    def counts(self, metrics: dict[str, float]) -> dict[str, int]:
        """The images behind each of the metrics."""
        return {name: len(self._images) for name in METRICS if name in metrics}

    def report(self) -> dict[str, object]:
        """For the run's results: on what it was measured, at which steps, and what it cost."""
        return {"images": len(self._images), "of": "the defender's clean images, not augmented",
                "parameters": "all", "steps": self._steps,
                "skipped": sum(not wanted for wanted in self._wanted.values()),
                "seconds": round(self._spent, 3), "race_seconds": round(self._race, 3),
                "most": SHARE}
