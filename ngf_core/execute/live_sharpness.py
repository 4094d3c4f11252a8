"""Sharpness along a race, within a budget of seconds."""

import time
from collections.abc import Callable, Mapping

import torch
from torch import nn

from ngf_core.curvature.sharpness.live import METRICS, SharpnessPoint, sharpness_point
from ngf_core.data.dataset import Images
from ngf_core.errors import NGFError

IMAGES = 50
# Of the race's own time; a quarter is promised, and forecasts are rough.
SHARE = 0.2
# The first point needs the most products; a later one costs about this share of it.
LATER = 0.4


class LiveSharpness:
    """Measures the sharpness of racing models on some of the defender's clean images.

    The points that SHARE of the race's own processor time pays for (tuning and evaluating, forecast
    from the time taken so far) are spread evenly over the race, up to its last step. Methods that
    are evaluated at the same step are measured there together or not at all. The values depend on
    the models alone, up to the error bar: each point starts from the eigenvector of the method's
    last one.

    clean: the defender's set; IMAGES of it, drawn with `seed`, are used, without augmentation.
    steps: of the race. rounds: points per step, one per method. clock: seconds of this process,
    which neither a pause nor other programs advance.
    """

    def __init__(self, clean: Images, seed: int, steps: int, rounds: int,
                 clock: Callable[[], float] = time.process_time) -> None:
        drawn = torch.randperm(len(clean), generator=torch.Generator().manual_seed(seed))
        self._images, self._seed, self._clock = clean.take(drawn[:IMAGES]), seed, clock
        self._steps, self._rounds = steps, rounds
        self._last: dict[str, SharpnessPoint] = {}
        self._at: dict[str, int] = {}
        self._wanted: dict[int, bool] = {}
        self._cost = self._spent = 0.0
        self._began = clock()

    def measure(self, method: str, model: nn.Module, step: int) -> dict[str, float]:
        """The metrics of `method` after `step` updates; empty where this point is left out."""
        if step == 0 and self._last:  # all methods start from one model
            self._last[method], self._at[method] = next(iter(self._last.values())), 0
            return self._last[method].metrics()
        if step not in self._wanted:
            self._wanted[step] = step == 0 or self._due(method, step)
        if not self._wanted[step]:
            return {}
        began = self._clock()
        try:
            found = sharpness_point(model, self._images.x, self._images.y, self._last.get(method),
                                    self._seed)
        except NGFError:  # a model whose loss is not finite has no curvature
            return {}
        finally:
            seconds = self._clock() - began
            self._spent += seconds
            self._cost = seconds if step else LATER * seconds
        self._last[method], self._at[method] = found, step
        return found.metrics()

    def measured(self, method: str, step: int, metrics: Mapping[str, float | None]) -> None:
        """Take over a point of before the run stopped: whether the step was measured, not the
        eigenvector, so that the method's next point starts from a random one."""
        wanted = any(name in metrics for name in METRICS)
        self._wanted.setdefault(step, wanted)
        if wanted:
            self._at[method] = step

    def _due(self, method: str, step: int) -> bool:
        forecast = self._race() * self._steps / step
        affordable = (SHARE * forecast - self._spent) // max(self._rounds * self._cost, 1e-9)
        last = self._at.get(method, 0)
        return affordable >= 1 and (step - last) * affordable >= self._steps - last

    def _race(self) -> float:
        """The race's own seconds so far."""
        return self._clock() - self._began - self._spent

    def counts(self, metrics: dict[str, float]) -> dict[str, int]:
        """The images behind each of the metrics."""
        return {name: len(self._images) for name in METRICS if name in metrics}

    def report(self) -> dict[str, object]:
        """For the run's results: the images, the steps measured, and the cost."""
        return {"images": len(self._images), "of": "the defender's clean images, not augmented",
                "parameters": "all", "steps": [s for s, wanted in self._wanted.items() if wanted],
                "skipped": sum(not wanted for wanted in self._wanted.values()),
                "seconds": round(self._spent, 3), "race_seconds": round(self._race(), 3),
                "most": SHARE}
