"""What a sweep will cost, before anything is started; one that cannot fit is refused."""

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ngf_core.config import PurifyConfig, TrainConfig
from ngf_core.errors import ConfigError
from ngf_core.evidence.cells import Cell
from ngf_core.execute.cost import Cost, comparable, estimate
from ngf_core.launch.launcher import Launcher
from ngf_core.runs import ManifestReadings, RunStore, StoreSnapshot
from ngf_core.runs.manifest import took
from ngf_core.sweep.cell_states import DONE, QUEUED, RUNNING
from ngf_core.sweep.states import CellState

MEGABYTE = 1e6
JOBS = 4  # submitit puts a job that reached its time limit back three times


@dataclass(frozen=True)
class Plan:
    """The cells of a grid, by their state, and what those still to be computed cost.

    core_hours: the seconds of all their cores, `cores` each or the one that an estimate is of.
    longest: seconds of the longest cell. at_once: the most seconds that one must get without a
    stop; a training goes on after one, in as many as `JOBS` jobs, where a purification takes its
    steps again. bases: what the seconds rest on, with the number of cells. free: megabytes free on
    the disk.
    """

    cells: int
    done: int
    submitted: int
    cores: int
    core_hours: float
    longest: float
    at_once: float
    megabytes: float
    free: float
    bases: dict[str, int]

    @property
    def missing(self) -> int:
        """Cells to compute."""
        return self.cells - self.done - self.submitted

    def sentences(self) -> list[str]:
        """The plan in lines."""
        lines = [f"{self.cells} cells: {self.done} are there, {self.submitted} are queued or "
                 f"running, {self.missing} to compute."]
        if self.missing:
            lines += [f"About {_hours(self.core_hours)} core hours ({self.cores} "
                      f"core{'s' * (self.cores > 1)} a cell; the longest takes "
                      f"{_minutes(self.longest)}), {self.megabytes:.0f} MB of disk "
                      f"({self.free:.0f} MB are free)."]
            lines += [f"  {count} cell{'s' * (count > 1)}: {basis}"
                      for basis, count in sorted(self.bases.items(), key=lambda one: -one[1])]
        return lines


@dataclass(frozen=True)
class Hours:
    """Core hours that the runs of finished cells took, and that the others will take about.

    bases: what the estimate rests on, with the number of cells.
    """

    spent: float
    left: float
    bases: dict[str, int]


def hours(found: Sequence[CellState], now: StoreSnapshot, cores: int) -> Hours:
    """What cells in these states took and will take on `cores` cores each.

    A cell that is computed counts as a whole; of a run that went on after a stop only its last
    part is known to have been spent.
    """
    seconds = [took(now.get(one.cell.run_id).manifest) for one in found if one.state == DONE]
    costs = _costs([one.cell for one in found if one.state != DONE], now, cores)
    return Hours(sum(filter(None, seconds)) * cores / 3600,
                 sum(cost.core_seconds for cost in costs) / 3600,
                 dict(Counter(cost.basis for cost in costs)))


def plan(found: Sequence[CellState], store: RunStore, cores: int) -> Plan:
    """The plan for cells in these states, whose runs are to lie in `store`."""
    missing = [one.cell for one in found if one.state not in (DONE, QUEUED, RUNNING)]
    now = StoreSnapshot(store, ManifestReadings())
    return plan_of([(not cell.entrant, cost)
                    for cell, cost in zip(missing, _costs(missing, now, cores), strict=True)],
                   done=sum(one.state == DONE for one in found),
                   submitted=sum(one.state in (QUEUED, RUNNING) for one in found),
                   cores=cores, folder=store.root)


def plan_of(missing: Sequence[tuple[bool, Cost]], done: int, submitted: int, cores: int,
            folder: Path) -> Plan:
    """The plan for runs of these costs, each with whether it is a training, to lie in `folder`."""
    costs = [cost for _, cost in missing]
    return Plan(
        cells=done + submitted + len(missing), done=done, submitted=submitted, cores=cores,
        core_hours=sum(cost.core_seconds for cost in costs) / 3600,
        longest=max((cost.seconds for cost in costs), default=0.0),
        at_once=max((cost.seconds / (JOBS if training else 1) for training, cost in missing),
                    default=0.0),
        megabytes=sum(cost.megabytes for cost in costs), free=_free(folder) / MEGABYTE,
        bases=dict(Counter(cost.basis for cost in costs)))


def refuse(planned: Plan, launcher: Launcher) -> None:
    """Raise NGFError where the disk has no room for the cells, or the launcher refuses them."""
    if planned.megabytes > planned.free:
        raise ConfigError("out", f"the cells need about {planned.megabytes:.0f} MB, and "
                          f"{planned.free:.0f} MB are free", "Free some space, or name a folder on "
                          "another disk with --out.")
    if planned.missing:
        launcher.refuse(planned.at_once)


def _costs(cells: Sequence[Cell], now: StoreSnapshot, cores: int) -> list[Cost]:
    """The cost of each cell on so many cores; those that differ in their seed cost the same."""
    # Of many cells each would look through all runs.
    runs = {kind: list(comparable(now, kind, cores))
            for kind in (TrainConfig.kind, PurifyConfig.kind)}
    known: dict[Cell, Cost] = {}
    for cell in cells:
        alike = replace(cell, seed=0)
        if alike not in known:
            trained = replace(alike, entrant="").asked()
            assert isinstance(trained, TrainConfig)
            config = alike.asked()
            known[alike] = estimate(config, now, trained, cores, runs[config.kind])
    return [known[replace(cell, seed=0)] for cell in cells]


def _free(folder: Path) -> float:
    while not folder.exists():
        folder = folder.parent
    return float(shutil.disk_usage(folder).free)


def _hours(hours: float) -> str:
    return f"{hours:.1f}" if hours >= 0.1 else f"{hours:.2f}"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
