"""Sharpness along a race, within a budget of seconds."""

import time
from collections.abc import Callable

import torch
from torch import nn

from ngf_core.curvature.tracking import METRICS, Look, look
from ngf_core.data.dataset import Images
from ngf_core.errors import NGFError

IMAGES = 50
# Of the race's own seconds; the promise is a quarter, and clocks are rough.
SHARE = 0.2


class LiveSharpness:
    """Looks at the sharpness of racing models on some of the defender's clean images.

    The looks that SHARE of the race's own seconds pays for (tuning and evaluating, as far as they
    can be told from those so far) are spread evenly over its evaluations, up to the last one.
    Methods are measured at the same steps. What is measured there follows from the models, up to
    the error bar: each look starts from the eigenvector of the method's last one.

    clean: the defender's set; IMAGES of them, drawn with `seed`, are used, without augmentation.
    steps: of the race. rounds: looks at each evaluation, one a method. clock: seconds, for tests.
    """

    def __init__(self, clean: Images, seed: int, steps: int, rounds: int,
                 clock: Callable[[], float] = time.perf_counter) -> None:
        drawn = torch.randperm(len(clean), generator=torch.Generator().manual_seed(seed))
        self._images, self._seed, self._clock = clean.take(drawn[:IMAGES]), seed, clock
        self._steps, self._rounds = steps, rounds
        self._last: dict[str, Look] = {}
        self._wanted: dict[int, bool] = {}
        self._measured: list[int] = []
        self._cost = self._spent = self._race = self._before = 0.0

    def measure(self, method: str, model: nn.Module, step: int, race: float) -> dict[str, float]:
        """The metrics of `method` after `step` updates; none where this look is left out.

        race: seconds that tuning and evaluating took so far.
        """
        self._race = race
        if step == 0 and self._last:  # all methods start from one model
            self._last[method] = next(iter(self._last.values()))
            return self._last[method].metrics()
        if step not in self._wanted:
            self._wanted[step] = step == 0 or self._due(step)
        if not self._wanted[step]:
            return {}
        began = self._clock()
        try:
            found = look(model, self._images.x, self._images.y, self._last.get(method), self._seed)
        except NGFError:  # a model whose loss is not finite has no curvature
            return {}
        finally:
            seconds = self._clock() - began
            self._spent += seconds
            # The first look has the most products to make; those that follow cost about half.
            self._cost = seconds if step else seconds / 2
        self._last[method] = found
        if step == 0:
            self._before = race
        if step not in self._measured:
            self._measured.append(step)
        return found.metrics()

    def _due(self, step: int) -> bool:
        whole = self._before + (self._race - self._before) * self._steps / step
        affordable = (SHARE * whole - self._spent) // max(self._rounds * self._cost, 1e-9)
        last = max(self._measured, default=0)
        return affordable >= 1 and (step - last) * affordable >= self._steps - last

    def counts(self, metrics: dict[str, float]) -> dict[str, int]:
        """The images behind each of the metrics."""
        return {name: len(self._images) for name in METRICS if name in metrics}

    def report(self) -> dict[str, object]:
        """For the run's results: on what it was measured, at which steps, and what it cost."""
        return {"images": len(self._images), "of": "the defender's clean images, not augmented",
                "parameters": "all", "steps": self._measured,
                "skipped": sum(not wanted for wanted in self._wanted.values()),
                "seconds": round(self._spent, 3), "race_seconds": round(self._race, 3),
                "most": SHARE}
