"""What a stage costs, by the coefficients that `python -m benchmarks.scaling` fitted."""

import json
from functools import lru_cache
from pathlib import Path

from ngf_core.scaling.stages import STAGES, Evaluate, Landscape, Spectrum, Stage, Terms, Train

Coefficients = dict[str, float]
FITTED = Path(__file__).with_name("fitted.json")
NAMES = {kind: name for name, kind in STAGES.items()}


def seconds(stage: Stage) -> float:
    """On one core of the machine that was measured."""
    return predicted(_coefficients()[NAMES[type(stage)]]["seconds"], stage.time)


def memory(stage: Stage) -> float:
    """Bytes that the process holds besides Python, libraries and mapped files; of a spectrum with
    its vectors, whose number is known."""
    found = predicted(_coefficients()[NAMES[type(stage)]]["bytes"], stage.memory)
    return found + (stage.disk if isinstance(stage, Spectrum) else 0.0)


def is_divided(stage: Stage, kind: str) -> bool:
    """Whether ranks share the stage in a run of that kind: the images of a training and of its
    evaluations, the samples of a product, the points of a landscape. The others take as long on
    several ranks as on one."""
    shared = isinstance(stage, Train | Spectrum | Landscape)
    return shared or (kind == "train" and isinstance(stage, Evaluate))


def exchange(stage: Stage, ranks: int, bandwidth: float) -> float:
    """Seconds in which ranks add up one number per weight, 2 (N - 1) / N * 4 bytes of each at
    `bandwidth` bytes per second: at each training step, for each product; for points never."""
    if isinstance(stage, Train):
        times = stage.images / stage.batch
    elif isinstance(stage, Spectrum):
        times = stage.products
    else:
        return 0.0
    return times * 2 * (ranks - 1) / ranks * 4 * stage.network.weights / bandwidth


def predicted(coefficients: Coefficients, terms: Terms) -> float:
    """sum_j a_j t_j."""
    return sum(coefficients[name] * value for name, value in terms.items())


@lru_cache
def _coefficients() -> dict[str, dict[str, Coefficients]]:
    """By stage, those of its "seconds" and "bytes"."""
    found: dict[str, dict[str, Coefficients]] = json.loads(FITTED.read_text(encoding="utf-8"))
    return found
