"""What a worker does with the run that it is to compute: take it, alone, and go on with it."""

import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from ngf_core.config import Config
from ngf_core.errors import RunError
from ngf_core.execute.worker import work
from ngf_core.runs import Run, RunStore
from ngf_core.runs.job import note_job, strike_job
from ngf_core.runs.manifest import CORRUPT
from ngf_core.runs.resuming import requeue, why_no_resume


def computed(store: RunStore, run_id: str, config: Config, is_fine: Callable[[], bool],
             job: str | None = None) -> int:
    """Compute the run of that id and config here, as job `job` of a cluster or as a process of this
    machine: 0 where it is done, else 1.

    Nothing is computed where `is_fine` says that the run is there. One that stopped goes on where
    it stopped, where it can; else it is computed from its start. One whose manifest is damaged is
    kept beside it, as .damaged-RUN. Raises RunError where another
    worker computes it, ConfigError and DiskFull.
    """
    run = taken(store, run_id, config, is_fine, job)
    return 0 if run is None else work(run, store, waits=False)


def taken(store: RunStore, run_id: str, config: Config, is_fine: Callable[[], bool],
          job: str | None = None) -> Run | None:
    """The run of that id and config, waiting, for this worker and no other; None where it is fine.
    Raises as `computed`."""
    store.prepare()
    with FileLock(store.root / ".taking.lock"):
        if is_fine():
            return None
        run = _goes_on(store, run_id, config, job)
        if run is None:
            _clear(store.root / run_id)
            run = store.create(config, run_id)
        note_job(run, job)
    return run


def _goes_on(store: RunStore, run_id: str, config: Config, job: str | None) -> Run | None:
    """The run that is there, where it can go on; None where it has to be computed afresh."""
    run = Run(store.root / run_id)
    manifest = run.manifest
    if manifest["state"] == CORRUPT:
        return None
    if job is not None and manifest["job"] == job:
        strike_job(run, job)  # what ran before was this job too, and Slurm has ended it
    if run.live:
        manifest = run.manifest
        if manifest["job"] or manifest["pid"] is not None:
            by = f"job {manifest['job']}" if manifest["job"] else "another process"
            raise RunError(f"Run {run_id} is computed by {by} already.")
        return run if run.config == config else None
    if run.config != config or why_no_resume(run) is not None:
        return None
    requeue(run)
    return run


def _clear(path: Path) -> None:
    """Remove a run of other settings, or one that cannot go on; set a damaged one aside, of which
    nobody knows what it holds."""
    if not path.exists():
        return
    damaged = Run(path).state == CORRUPT
    # No listing shows a half-deleted run, nor one that was set aside.
    hidden = path.with_name(f".{'damaged' if damaged else 'gone'}-{path.name}")
    shutil.rmtree(hidden, ignore_errors=True)
    path.rename(hidden)
    if not damaged:
        shutil.rmtree(hidden)
