"""A sweep in a folder, its cells in any state, with made-up numbers, in a millisecond a cell.

Its jobs are those of Slurm's array 17; `squeue` is what Slurm would answer for them.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ngf_core.evidence.cells import Cell
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.launch.batches import SLURM, Batch, keep_batch, new_batch
from ngf_core.launch.settings import LaunchSettings
from ngf_core.runs import RunStore
from ngf_core.runs.events import append_event
from ngf_core.runs.manifest import encoded, new_manifest
from ngf_core.sweep.cell_states import DONE, FAILED, MISSING, QUEUED, RUNNING
from ngf_core.sweep.grid import Grid
from ngf_core.sweep.sweep import Sweep

SECONDS = 36  # that each finished run took
DIVERGED = "The loss is no longer finite at step 40. Use a smaller step size."
ELSEWHERE = {"pid": 2**22 + 1, "pid_started": 1.0}
IMAGES, VICTIMS = 1000, 900


@dataclass(frozen=True)
class Fabricated:
    """The sweep, the states that its cells were made in, and its batch."""

    sweep: Sweep
    states: dict[Cell, str]
    batch: Batch

    @property
    def squeue(self) -> str:
        """Slurm's answer: cells that run or wait have jobs, those that failed had one."""
        words = {RUNNING: "RUNNING|None", QUEUED: "PENDING|Priority", FAILED: "FAILED|None"}
        by_run = {cell.run_id: state for cell, state in self.states.items()}
        return "".join(f"{self.batch.name}|17|{place}|{words[by_run[run]]}\n"
                       for place, run in enumerate(self.batch.runs) if by_run[run] in words)


def fabricated(root: Path, grid: Grid, state_of: Callable[[Cell], str],
               launch: LaunchSettings | None = None) -> Fabricated:
    """A sweep of `grid` in `root`, submitted to Slurm unless `launch` says otherwise, whose cells
    are in the states that `state_of` tells; one that is missing was never submitted."""
    sweep = Sweep(RunStore(root), grid, launch or LaunchSettings(launcher="slurm"))
    sweep.keep()
    states = {cell: state_of(cell) for stage in grid.stages() for cell in stage}
    submitted = [cell.run_id for cell, state in states.items() if state != MISSING]
    batch = new_batch(sweep.launch.launcher, submitted)
    if batch.launcher == SLURM:
        batch = replace(batch, job="17")
    keep_batch(sweep.folder, batch)
    for cell, state in states.items():
        if state in (DONE, RUNNING, FAILED):
            write_run(root, cell, state, f"17_{batch.runs.index(cell.run_id)}")
    return Fabricated(sweep, states, batch)


def write_run(root: Path, cell: Cell, state: str, job: str) -> None:
    """The run directory of a cell, whatever was there."""
    layer = "blocks.2.conv1" if cell.entrant and ENTRANTS[cell.entrant].layer_of else None
    manifest = new_manifest(cell.run_id, cell.asked(layer))
    manifest |= {"state": state, "job": job, "threads": 1,
                 "started": "2026-11-30T06:00:00.000Z"}
    if state == DONE:
        manifest |= {"results": results(cell), "finished": f"2026-11-30T06:00:{SECONDS}.000Z"}
    elif state == FAILED:
        manifest |= {"message": DIVERGED, "finished": "2099-11-30T06:00:09.000Z"}
    else:
        manifest |= ELSEWHERE
    folder = root / cell.run_id
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_bytes(encoded(manifest))
    if state == RUNNING:
        append_event(folder, "progress", done=3, total=20, eta=60.0, text="Epoch 3 of 20")


def rates(cell: Cell) -> dict[str, int]:
    """How many of the images a finished cell's model gets right, or is fooled by."""
    number = zlib.crc32(cell.run_id.encode())
    return {"acc": 940 + number % 55, "asr": number % 900 if cell.entrant else 870,
            "ra": number % 800 if cell.entrant else 20}


def results(cell: Cell) -> dict[str, object]:
    """The results of a finished run; a benign model has no trigger."""
    hits, benign = rates(cell), cell.attack == "none"
    entry = {name: None if benign and name != "acc" else
             {"hits": count, "n": IMAGES if name == "acc" else VICTIMS}
             for name, count in hits.items()}
    return {ENTRANTS[cell.entrant].method if cell.entrant else "train": entry,
            "layer": "blocks.2.conv1"}
