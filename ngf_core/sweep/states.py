"""Where each cell of a sweep stands: what its run directory says, and until there is one, or where
its worker is on another machine, what became of its submission."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ngf_core.errors import NGFError, RunError
from ngf_core.evidence.cells import Cell, finished
from ngf_core.launch.logs import last_line, log_of
from ngf_core.launch.submitted import Submitted, submitted
from ngf_core.options import listed
from ngf_core.runs import Run, RunStore, StoreSnapshot
from ngf_core.runs.job import Struck, names_job, strike_job
from ngf_core.sweep.cell_states import DONE, FAILED, MISSING, QUEUED, RUNNING, STATES
from ngf_core.sweep.grid import Grid

Ask = Callable[[Path], Mapping[str, Submitted]]


@dataclass(frozen=True)
class CellState:
    """A cell with its state, one of `STATES`, and the sentence that goes with it.

    failed: everything that neither is done nor will be unless it is submitted again, such as a job
    that was killed. missing: never submitted. gone: the job that its run still names although
    Slurm no longer has it.
    """

    cell: Cell
    state: str
    said: str = ""
    gone: str = ""


def states(grid: Grid, now: StoreSnapshot, folder: Path,
           ask: Ask | None = None) -> list[CellState]:
    """All cells of the grid, in the order of their stages, with the runs of a store as of just
    now; `folder` is where submissions are kept. Nothing is written.

    `ask` tells what became of the submissions: by default Slurm is asked. The runs are read before
    and, unless they are done, after that. Raises NGFError where Slurm does not answer.
    """
    cells = [cell for stage in grid.stages() for cell in stage]
    done = [finished(cell, now) is not None for cell in cells]
    jobs = {} if all(done) else (ask or submitted)(folder)
    return [CellState(cell, DONE) if there else _unfinished(cell, now, folder, jobs)
            for cell, there in zip(cells, done, strict=True)]


def strike(found: Iterable[CellState], store: RunStore) -> None:
    """Strike the jobs that Slurm no longer has out of their runs, so that everybody sees these as
    lost, and they can go on. A run that cannot be written stays as it is."""
    for one in found:
        if one.gone:
            with contextlib.suppress(NGFError, OSError):
                strike_job(Run(store.root / one.cell.run_id), one.gone)


def _unfinished(cell: Cell, store: StoreSnapshot, folder: Path, jobs: Mapping[str, Submitted]
                ) -> CellState:
    job = jobs.get(cell.run_id)
    try:
        run = store.find(cell.run_id).now()
    except RunError:
        return _without_run(cell, folder, job)
    if job is not None and not job.active and job.job and names_job(run, job.job):
        lost = _after_all(cell, Struck(run, job.job), job, store)
        return replace(lost, gone=job.job)
    return _after_all(cell, run, job, store)


def _after_all(cell: Cell, run: Run, job: Submitted | None, store: StoreSnapshot) -> CellState:
    """Where a cell stands whose run was not done when we looked first."""
    state, message = run.status()
    if state == "done" and finished(cell, RunStore(store.root)) is not None:
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
        return CellState(cell, MISSING, _unusable(run))
    ended = f" {job.said}" if job is not None and job.job else ""
    if state == "queued":
        return CellState(cell, FAILED, f"Its worker ended before it began.{ended}")
    return CellState(cell, FAILED, message if state == "failed" else message + ended)


def _unusable(run: Run) -> str:
    """Why a run that is done is not the cell's."""
    with contextlib.suppress(OSError):
        if lost := run.missing():
            return f"It no longer has {listed(tuple(lost))}."
    return "The run that is there has other settings, or is stale."


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
