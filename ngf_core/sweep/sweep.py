"""A sweep: a grid in a folder, whose missing cells are handed to a launcher."""

import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ngf_core.errors import NGFError, RunError, shown
from ngf_core.evidence.cells import Cell
from ngf_core.launch.alone import alone
from ngf_core.launch.launcher import Command, Launcher, Task
from ngf_core.launch.logs import clear, log_of
from ngf_core.launch.patience import patiently
from ngf_core.launch.settings import LaunchSettings
from ngf_core.runs import ManifestReadings, RunStore, StoreSnapshot
from ngf_core.runs.disk import replace_file
from ngf_core.sweep.cell_states import DONE, QUEUED, RUNNING
from ngf_core.sweep.grid import Grid, depth, grid_of, needs
from ngf_core.sweep.place import HIDDEN, sweep_file
from ngf_core.sweep.states import CellState, states, strike

WORKER = (sys.executable, "-m", "ngf_core.sweep.worker")
LOOK = 5.0


@dataclass(frozen=True)
class Sweep:
    """The grid of a folder of runs, and how its cells are computed."""

    store: RunStore
    grid: Grid
    launch: LaunchSettings

    @property
    def folder(self) -> Path:
        """Where the sweep itself is kept, and what was submitted."""
        return self.store.root / HIDDEN

    def keep(self) -> None:
        """Write grid and launch settings, so that later calls need only the folder."""
        self.store.prepare()
        self.folder.mkdir(exist_ok=True)
        replace_file(sweep_file(self.store.root), json.dumps({
            "grid": self.grid.to_json(), "launch": dataclasses.asdict(self.launch)},
            indent=1).encode())

    def states(self) -> list[CellState]:
        """Where each cell stands; nothing is written. Raises NGFError where Slurm does not answer.
        """
        now = StoreSnapshot(self.store, ManifestReadings())  # each manifest read once
        return states(self.grid, now, self.folder)

    def struck(self) -> list[CellState]:
        """The same, and jobs that Slurm no longer has are struck out of their runs."""
        found = self.states()
        strike(found, self.store)
        return found

    def waited(self) -> list[CellState]:
        """The same, once no cell is queued or running any more; a Slurm that does not answer for
        some minutes is waited for."""
        found = patiently(self.struck)
        while any(one.state in (QUEUED, RUNNING) for one in found):
            time.sleep(LOOK)
            found = patiently(self.struck)
        return found

    def submit(self, launcher: Launcher) -> str:
        """Hand the cells that are neither done nor on their way to the launcher; what was done, as
        a sentence. Raises RunError where another process does so now, and what the launcher and
        `states` raise."""
        self.store.prepare()
        with alone(self.folder):
            self.keep()  # not while another grid of this folder is computed
            missing = [one.cell for one in self.struck()
                       if one.state not in (DONE, QUEUED, RUNNING)]
            return self._handed(missing, launcher) if missing else "There is nothing to compute."

    def _handed(self, missing: Sequence[Cell], launcher: Launcher) -> str:
        stages: list[list[Task]] = [[], [], []]
        for cell in missing:
            stages[depth(cell)].append(self._task(cell))
        return launcher.submit([stage for stage in stages if stage], self.folder)

    def _task(self, cell: Cell) -> Task:
        words = (*WORKER, str(self.store.root), json.dumps(dataclasses.asdict(cell)))
        log = log_of(self.folder, cell.run_id)
        clear(log)
        return Task(cell.run_id, Command(words, log), needs(cell))


def sweep_in(folder: Path) -> Sweep:
    """The sweep that was started in a folder of runs. Raises RunError where there is none."""
    path = sweep_file(folder)
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        launch = LaunchSettings(**kept["launch"])
        launch.check()
        return Sweep(RunStore(folder), grid_of(kept["grid"], data_here=False), launch)
    except FileNotFoundError:
        raise RunError(f"No sweep was started in {folder}. Start one with `python -m ngf_core "
                       "sweep GRID.toml`, or name its folder with --out.") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError,
            NGFError) as error:
        raise RunError(f"{path} cannot be used ({shown(error, 300)}). Start the sweep again from "
                       "its GRID.toml.") from None
