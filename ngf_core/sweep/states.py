"""Where each cell of a sweep stands: what its run directory says, and until there is one, or where
its worker is on another machine, what became of its submission."""

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ngf_core.errors import NGFError
from ngf_core.evidence.cells import Cell, finished
from ngf_core.launch.logs import last_line, log_of
from ngf_core.launch.submitted import Submitted, submitted
from ngf_core.runs import ManifestReadings, Run, RunStore, StoreSnapshot
from ngf_core.runs.job import strike_job
from ngf_core.sweep.grid import Grid

MISSING, QUEUED, RUNNING, DONE, FAILED = "missing", "queued", "running", "done", "failed"
STATES = (DONE, RUNNING, QUEUED, FAILED, MISSING)


@dataclass(frozen=True)
class CellState:
    """A cell with its state, one of `STATES`, and the sentence that goes with it.

    failed: everything that neither is done nor will be unless it is submitted again, such as a job
    that was killed. missing: never submitted.
    """

    cell: Cell
    state: str
    said: str = ""


def states(grid: Grid, store: RunStore, folder: Path) -> list[CellState]:
    """All cells of the grid, in the order of their stages; `folder` is where submissions are kept.

    The runs are read before Slurm is asked. A run whose job Slurm no longer has loses it, so that
    everybody sees it as lost. Raises NGFError where Slurm does not answer.
    """
    cells = [cell for stage in grid.stages() for cell in stage]
    now = StoreSnapshot(store, ManifestReadings())  # each manifest read once
    done = [finished(cell, now) is not None for cell in cells]
    jobs = {} if all(done) else submitted(folder)
    return [CellState(cell, DONE) if there else _unfinished(cell, store, folder, jobs)
            for cell, there in zip(cells, done, strict=True)]


def _unfinished(cell: Cell, store: RunStore, folder: Path, jobs: Mapping[str, Submitted]
                ) -> CellState:
    job = jobs.get(cell.run_id)
    run = Run(store.root / cell.run_id)
    if not run.path.is_dir():
        return _without_run(cell, folder, job)
    if job is not None and not job.active and job.job:
        with contextlib.suppress(NGFError, OSError):
            strike_job(run, job.job)
    state, message = run.status()
    if state == "done" and finished(cell, store) is not None:
        return CellState(cell, DONE)  # it was finished after we looked first
    if job is not None and job.active:
        # What a run says is of an earlier job where Slurm says that this one waits.
        if state == "running" and not (job.job and job.waits):
            return CellState(cell, RUNNING, _progress(run) or message)
        return CellState(cell, QUEUED if job.waits else RUNNING, job.said)
    return _submitted_by_nobody(cell, run, state, message, job)


def _submitted_by_nobody(cell: Cell, run: Run, state: str, message: str, job: Submitted | None
                         ) -> CellState:
    """A run of which no submission is on its way any more; `job`: the last one."""
    manifest = run.manifest
    if state == "running" or (state == "queued" and (manifest["job"] or manifest["pid"])):
        return CellState(cell, RUNNING, _progress(run) or message)  # by somebody else
    if state == "done":
        return CellState(cell, MISSING, "The run that is there has other settings, or is stale.")
    ended = f" {job.said}" if job is not None and job.job else ""
    if state == "queued":
        return CellState(cell, FAILED, f"Its worker ended before it began.{ended}")
    return CellState(cell, FAILED, message if state == "failed" else message + ended)


def _without_run(cell: Cell, folder: Path, job: Submitted | None) -> CellState:
    if job is None:
        return CellState(cell, MISSING)
    if job.active:
        return CellState(cell, QUEUED if job.waits else RUNNING, job.said)
    return CellState(cell, FAILED, last_line(log_of(folder, cell.run_id)) or job.said)


def _progress(run: Run) -> str:
    with contextlib.suppress(NGFError, OSError):
        progress = run.progress()
        if progress is not None:
            return f"{progress['done']}/{progress['total']} {progress['text']}"
    return ""


def counted(found: Iterable[CellState]) -> str:
    """How many cells are in each state: 20 done, 2 running, 2 queued, 0 failed, 0 missing."""
    of = Counter(one.state for one in found)
    return ", ".join(f"{of[state]} {state}" for state in STATES)
