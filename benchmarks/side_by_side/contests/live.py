"""A race with live sharpness against the same race without."""

import tempfile
from pathlib import Path

from benchmarks.side_by_side.contest import Contest, Measurement, Prepare
from benchmarks.side_by_side.record import Figures, Record
from benchmarks.side_by_side.stopwatch import timed
from benchmarks.side_by_side.table import Goal, Line, seconds
from benchmarks.side_by_side.workload import Workload
from ngf_core.config import PurifyConfig
from ngf_core.purify import NGF, SGD
from ngf_core.runs import RunStore, default_store

SOURCE = "signs-badnets-s0-train"
LAYER = "blocks.2.conv1"
STEPS = 30
NOTE = (f"CPU seconds of a whole purification run, NGF and SGD, {STEPS} steps each of the preset, "
        "evaluated every fifth, with its measurements of λ_max and Tr(F), against the same run "
        "without them.")


def race(sharpness: str) -> Prepare:
    """The run with `sharpness` on or off."""
    def prepare(workload: Workload) -> Measurement:
        from ngf_core.execute.worker import work

        def run(steps: int, seed: int) -> None:
            with tempfile.TemporaryDirectory() as folder:
                store = RunStore(Path(folder), default_store().shipped)
                made = store.create(PurifyConfig(
                    source=SOURCE, methods=(NGF(layer=LAYER), SGD(layer=LAYER)), steps=steps,
                    evaluations=max(1, steps // 5), sharpness=sharpness, seed=seed))
                work(made, store)
                if made.state != "done":
                    raise RuntimeError(made.message)

        run(2, 0)

        def measure(seed: int, truth: Figures) -> Figures:
            _, cost = timed(lambda: run(workload.steps(STEPS, 4), seed))
            return cost

        return measure

    return prepare


def lines(record: Record) -> list[Line]:
    """The slow-down."""
    off, on = record.median("off", "cpu"), record.median("on", "cpu")
    return [Line("race with live sharpness / without", record.model, "without", seconds(off),
                 seconds(on), on / off, Goal(1.25, least=False), record.range("on", "off", "cpu"),
                 NOTE)]


CONTEST = Contest("live sharpness", {"off": race("off"), "on": race("on")}, lines, samples=200,
                  models=("before",))
