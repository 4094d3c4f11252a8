"""One NGF step against one SGD step on the same layer and batch, for every layer."""

from collections.abc import Iterator

from benchmarks.side_by_side.contest import Contest, Measurement, Prepare
from benchmarks.side_by_side.record import Figures, Record
from benchmarks.side_by_side.stopwatch import timed
from benchmarks.side_by_side.table import Goal, Line, seconds
from benchmarks.side_by_side.workload import Workload
from ngf_core.purify import Budget
from ngf_core.purify.registry import PURIFIERS

STEPS = 4
KEPT = "linear, features kept"
NOTE = (f"CPU seconds of a step, mean of {STEPS} after the first, on the defender's 250 clean "
        "images in one batch; BatchNorm frozen, no augmentation. Where features are kept both "
        "steps skip the network; `linear` is with cropped images, so that both go through it.")


def method(name: str) -> Prepare:
    """The purifier called `name`, a few steps on each layer in turn."""
    def prepare(workload: Workload) -> Measurement:
        from ngf_core.models.build import tunable_layers
        from ngf_core.purify.method import purifier

        layers = list(tunable_layers(workload.model))
        layers = [*(layers[-2:] if workload.quick else layers), KEPT]

        def under_way(layer: str) -> Iterator:
            own = PURIFIERS[name].settings(layer=layer.split(",")[0])
            budget = Budget(batchnorm="frozen", augment="crop" if layer == "linear" else "none")
            steps = purifier(name)(workload.copy(), workload.clean, own, budget)
            next(steps)
            return steps

        for layer in layers:
            under_way(layer)

        def measure(seed: int, truth: Figures) -> Figures:
            found = {}
            for layer in layers:
                steps = under_way(layer)
                _, cost = timed(lambda steps=steps: [next(steps) for _ in range(STEPS)])
                found[layer] = cost["cpu"] / STEPS
            return found

        return measure

    return prepare


def lines(record: Record) -> list[Line]:
    """One line per layer."""
    made = []
    for layer in record.runs["ngf"][0]:
        sgd, ngf = record.median("sgd", layer), record.median("ngf", layer)
        made.append(Line(f"NGF step / SGD step, {layer}", record.model, "SGD", seconds(sgd),
                         seconds(ngf), ngf / sgd, Goal(1.5, 1.2, least=False),
                         record.range("ngf", "sgd", layer), NOTE))
    return made


CONTEST = Contest("one NGF step", {"sgd": method("sgd"), "ngf": method("ngf")}, lines,
                  samples=200, models=("before",))
