"""Where each cell of a sweep stands: what its run directory says, and until there is one, or where
its worker is on another machine, what became of its submission."""

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ngf_core.errors import NGFError
from ngf_core.evidence.cells import Cell, finished
from ngf_core.launch.submitted import Submitted, submitted
from ngf_core.runs import Run, RunStore
from ngf_core.runs.job import strike_job
from ngf_core.runs.run import LIVE
from ngf_core.sweep.grid import Grid

MISSING, QUEUED, RUNNING, DONE, FAILED = "missing", "queued", "running", "done", "failed"
STATES = (DONE, RUNNING, QUEUED, FAILED, MISSING)
LOGS = "logs"


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
    done = [finished(cell, store) is not None for cell in cells]
    jobs = {} if all(done) else submitted(folder)
    return [CellState(cell, DONE) if there else _unfinished(cell, store, folder, jobs)
            for cell, there in zip(cells, done, strict=True)]


def _unfinished(cell: Cell, store: RunStore, folder: Path, jobs: Mapping[str, Submitted]
                ) -> CellState:
    job = jobs.get(cell.run_id)
    run = Run(store.root / cell.run_id)
    if not run.path.is_dir():
        return _without_run(cell, folder, job)
    if job is not None and not job.active and job.job and run.manifest["state"] in LIVE:
        with contextlib.suppress(NGFError, OSError):
            strike_job(run, job.job)
    state, message = run.status()
    if state == "done" and finished(cell, store) is not None:
        return CellState(cell, DONE)  # it was finished after we looked first
    if job is not None and job.active and state not in ("running", "done"):
        return CellState(cell, QUEUED, job.said)
    if state == "running":
        return CellState(cell, RUNNING, _progress(run) or message)
    if state == "queued" and (run.manifest["job"] or run.manifest["pid"] is not None):
        return CellState(cell, RUNNING, message)  # its worker is about to begin
    if state == "done":
        return CellState(cell, MISSING, "The run that is there has other settings, or is stale.")
    if state == "queued":
        message = "Its worker ended before it began."
    ended = "" if job is None or job.active or not job.job else f" {job.said}"
    return CellState(cell, FAILED, f"{message}{ended if state not in ('failed',) else ''}")


def _without_run(cell: Cell, folder: Path, job: Submitted | None) -> CellState:
    if job is None:
        return CellState(cell, MISSING)
    if job.active:
        return CellState(cell, QUEUED if job.waits else RUNNING, job.said)
    return CellState(cell, FAILED, _last_line(log_of(folder, cell.run_id)) or job.said)


def _progress(run: Run) -> str:
    with contextlib.suppress(NGFError, OSError):
        progress = run.progress()
        if progress is not None:
            return f"{progress['done']}/{progress['total']} {progress['text']}"
    return ""


def log_of(folder: Path, run_id: str) -> Path:
    """The file that a cell's worker writes its output to."""
    return folder / LOGS / f"{run_id}.log"


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def counted(found: Iterable[CellState]) -> str:
    """How many cells are in each state: 20 done, 2 running, 2 queued, 0 failed, 0 missing."""
    of = Counter(one.state for one in found)
    return ", ".join(f"{of[state]} {state}" for state in STATES)
