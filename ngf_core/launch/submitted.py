"""What became of submitted runs that have no run directory yet, or whose worker is elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ngf_core.launch.batches import LOCAL, SLURM, Batch, batches
from ngf_core.launch.slurm_queue import WAITS, Place, SlurmJob, jobs
from ngf_core.runs.process import is_alive


@dataclass(frozen=True)
class Submitted:
    """A run's last submission: the job's id and what is known of it, as a sentence.

    active: the job, or the process, will still compute it or does so now. job: "" for a local one.
    """

    active: bool
    waits: bool
    said: str
    job: str = ""


def submitted(folder: Path) -> dict[str, Submitted]:
    """The last submission of every run that was submitted from `folder`.

    Raises NGFError where Slurm does not answer, and RunError where a batch cannot be read.
    """
    known = batches(folder)
    on_slurm = jobs(batch.name for batch in known if batch.launcher == SLURM)
    return {run: _of(batch, place, on_slurm) for batch in known
            for place, run in enumerate(batch.runs)}


def _of(batch: Batch, place: int, on_slurm: Mapping[Place, SlurmJob]) -> Submitted:
    if batch.launcher == LOCAL:
        alive = is_alive(batch.pid, batch.pid_started)
        return Submitted(alive, alive, "Waits for a core." if alive else
                         "The process that was to compute it has ended.")
    job = on_slurm.get((batch.name, place))
    if job is None:
        name = batch.job if len(batch.runs) == 1 else f"{batch.job}_{place}"
        return Submitted(False, False, f"Job {name} is no longer in Slurm's queue.", name) \
            if batch.job and name else Submitted(False, False, "Slurm has no job for it.")
    if job.ended:
        return Submitted(False, False, f"Job {job.id} ended as {job.state}.", job.id)
    reason = "" if job.reason in ("", "None") else f" ({job.reason})"
    return Submitted(True, job.state in WAITS, f"Job {job.id} is {job.state}{reason}.", job.id)
