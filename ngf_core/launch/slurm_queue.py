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


class SlurmSilent(NGFError):
    """Slurm did not answer a question, or refused it."""


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
    rows = [line.strip().split("|", 4) for line in text.splitlines() if line.count("|") >= 4]
    arrays = {name for name, _, index, _, _ in rows if index.isdigit()}
    # Without an index stand a job that is no array, and the part of an array that was cancelled
    # before it started, of which Slurm tells no places.
    return {(name, int(index) if index.isdigit() else 0):
            SlurmJob(f"{job}_{index}" if index.isdigit() else job, state, reason)
            for name, job, index, state, reason in rows if index.isdigit() or name not in arrays}


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
    found: dict[Place, SlurmJob] = {}
    for line in (line for line in text.splitlines() if line.count("|") == 2):
        name, job, state = line.strip().split("|")
        array, _, index = job.partition("_")
        for place in _places(index):
            one = f"{array}_{place}" if index else job
            found[name, place] = SlurmJob(one, state.split(" ")[0])  # of "CANCELLED by 1000"
    return {place: job for place, job in found.items() if job.ended}


def _places(index: str) -> Iterable[int]:
    """Of 17 the place 0, of 17_3 the place 3, of 17_[4-6,8%2] 4, 5, 6 and 8."""
    for part in index.strip("[]").partition("%")[0].split(",") if index else ["0"]:
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def jobs(names: Iterable[str]) -> Mapping[Place, SlurmJob]:
    """Everything that Slurm still knows of the jobs of these batches."""
    names = sorted(set(names))
    here = queued(names)
    found = accounted(names) | here
    return {place: job for place, job in found.items() if place[0] in names}


def asked(*words: str) -> str:
    """What a command of Slurm prints. Raises, in one sentence, NGFError where there is no Slurm,
    and SlurmSilent where it fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
    except FileNotFoundError:
        raise NGFError(f"There is no command {words[0]} here. Use a login node of a Slurm cluster, "
                       "or --launcher local.") from None
    except subprocess.TimeoutExpired:
        raise SlurmSilent(f"Slurm did not answer: {words[0]} took longer than {PATIENCE:g} s. Try "
                       "again later; what was submitted goes on.") from None
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise SlurmSilent(f"Slurm refused {words[0]}: {said[:300]}. Nothing was changed; try again "
                       "later.")
    return done.stdout
