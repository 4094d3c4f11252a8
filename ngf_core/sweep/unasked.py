"""What batches and run directories say of submissions where Slurm cannot be asked."""

from pathlib import Path

from ngf_core.errors import RunError
from ngf_core.launch.batches import LOCAL, SLURM, Batch, batches
from ngf_core.launch.submitted import Submitted, submitted
from ngf_core.runs import RunStore
from ngf_core.runs.process import is_alive


def unasked(folder: Path, store: RunStore) -> dict[str, Submitted]:
    """The last submission of every run that was submitted from `folder`, as `submitted` has them.

    A job counts as waiting unless its run has ended since it was submitted, and what a process of
    this machine was to compute unless that has ended. Raises RunError where a batch cannot be read.
    """
    known = batches(folder)
    if all(batch.launcher != SLURM for batch in known):
        return submitted(folder)  # which asks nobody
    return {run: _of(batch, run, store) for batch in known for run in batch.runs}


def _of(batch: Batch, run_id: str, store: RunStore) -> Submitted:
    said = f"Submitted at {batch.submitted[:16].replace('T', ' ')} UTC."
    try:
        finished = store.find(run_id).manifest["finished"]
    except RunError:
        finished = None
    waits = finished is None or finished < batch.submitted
    if batch.launcher == LOCAL:
        waits = waits and is_alive(batch.pid, batch.pid_started)
    return Submitted(waits, waits, said)
