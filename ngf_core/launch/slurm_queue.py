"""What Slurm knows of jobs, by the names of their batches.

`squeue` tells which jobs wait and compute. Why one ended `sacct` tells, where the cluster keeps
accounts; many keep none, and then `squeue` still knows it for some minutes (MinJobAge).
"""

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ngf_core.errors import NGFError

PATIENCE = 60.0  # seconds that one answer may take: a busy controller takes many
# Every other state is of a job that waits, computes, or will again.
ENDED = frozenset({"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "LAUNCH_FAILED",
                   "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"})
WAITS = frozenset({"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD",
                   "SPECIAL_EXIT", "CONFIGURING"})
Place = tuple[str, int]  # the name of a batch, and the place in it


@dataclass(frozen=True)
class SlurmJob:
    """A job: its id, its state in Slurm's word, and why it waits."""

    id: str
    state: str
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether it neither waits nor computes."""
        return self.state in ENDED


def queued(names: Sequence[str]) -> dict[Place, SlurmJob]:
    """Jobs of these batches that `squeue` lists, those that ended a short while ago among them.

    Raises NGFError where Slurm does not answer.
    """
    text = asked("squeue", "--noheader", "--array", "--states=all", f"--name={','.join(names)}",
                 "--format=%j|%F|%K|%T|%r") if names else ""
    return dict(_of_squeue(line) for line in text.splitlines() if line.count("|") >= 4)


def _of_squeue(line: str) -> tuple[Place, SlurmJob]:
    name, job, index, state, reason = line.strip().split("|", 4)
    if index.isdigit():
        return (name, int(index)), SlurmJob(f"{job}_{index}", state, reason)
    return (name, 0), SlurmJob(job, state, reason)  # a job that is no array


def accounted(names: Sequence[str]) -> dict[Place, SlurmJob]:
    """Jobs of these batches that ended, as `sacct` lists them; none where there are no accounts."""
    if not names:
        return {}
    try:
        text = asked("sacct", "--noheader", "--parsable2", "--allocations",
                     "--format=JobName,JobID,State", "--starttime=now-60days",
                     f"--name={','.join(names)}")
    except NGFError:
        return {}
    found = [_of_sacct(line) for line in text.splitlines() if line.count("|") == 2]
    return {place: job for place, job in found if job.ended}


def _of_sacct(line: str) -> tuple[Place, SlurmJob]:
    name, job, state = line.strip().split("|")
    index = job.partition("_")[2]  # 17_3; 17_[4-9] is of a job that waits
    # "CANCELLED by 1000"
    return (name, int(index) if index.isdigit() else 0), SlurmJob(job, state.split(" ")[0])


def jobs(names: Iterable[str]) -> Mapping[Place, SlurmJob]:
    """Everything that Slurm still knows of the jobs of these batches."""
    names = sorted(set(names))
    here = queued(names)
    found = accounted(names) | here
    return {place: job for place, job in found.items() if place[0] in names}


def asked(*words: str) -> str:
    """What a command of Slurm prints. Raises NGFError, in one sentence, where it fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
    except FileNotFoundError:
        raise NGFError(f"There is no command {words[0]} here. Use a login node of a Slurm cluster, "
                       "or --launcher local.") from None
    except subprocess.TimeoutExpired:
        raise NGFError(f"Slurm did not answer: {words[0]} took longer than {PATIENCE:g} s. Try "
                       "again later; what was submitted goes on.") from None
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise NGFError(f"Slurm refused {words[0]}: {said[:300]}. Nothing was changed; try again "
                       "later.")
    return done.stdout
