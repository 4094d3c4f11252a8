"""What was submitted: one small file per batch of tasks, so that the submitting process may end.

A batch is written before its workers are started, under a name that nobody else has: where the
process dies between the two, the cluster is asked for jobs of that name. So nothing is submitted
twice, and the ids of jobs, which a new cluster counts from 1 again, are never taken for others.
"""

import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ngf_core.errors import RunError
from ngf_core.runs.disk import replace_file
from ngf_core.runs.manifest import utc_now

LOCAL, SLURM = "local", "slurm"


@dataclass(frozen=True)
class Batch:
    """Runs that were submitted together, in the order of their places in the batch.

    job: the cluster's id of the batch, once it is known. pid, pid_started: the process of this
    machine that computes a local one.
    """

    name: str
    launcher: str
    submitted: str
    runs: tuple[str, ...]
    job: str | None = None
    pid: int | None = None
    pid_started: float | None = None


def new_batch(launcher: str, runs: Iterable[str]) -> Batch:
    """A batch of these runs under a new name."""
    return Batch(f"ngf-{secrets.token_hex(6)}", launcher, utc_now(), tuple(runs))


def keep_batch(folder: Path, batch: Batch) -> None:
    """Write the batch's file. Raises DiskFull."""
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / f"{batch.name}.json", json.dumps(asdict(batch)).encode())


def batches(folder: Path) -> list[Batch]:
    """All batches, the oldest first. Raises RunError where a file cannot be read."""
    found = [_read(path) for path in folder.glob("ngf-*.json")]
    return sorted(found, key=lambda batch: (batch.submitted, batch.name))


def _read(path: Path) -> Batch:
    try:
        batch = Batch(**json.loads(path.read_text(encoding="utf-8")))
        if not _is_whole(batch):
            raise ValueError
        return replace(batch, runs=tuple(batch.runs))
    except (OSError, ValueError, TypeError, RecursionError):
        raise RunError(f"{path} cannot be read: it tells which runs were submitted to which jobs. "
                       "Restore it from a copy. Or delete it, once none of its jobs is left in "
                       "the queue.") from None


def _is_whole(batch: Batch) -> bool:
    """Whether everything is of its kind, as it is in a file that was written here."""
    return (isinstance(batch.runs, list) and all(isinstance(one, str) for one in batch.runs)
            and isinstance(batch.name, str) and isinstance(batch.submitted, str)
            and batch.launcher in (LOCAL, SLURM) and isinstance(batch.job, str | None)
            and (batch.pid is None or (type(batch.pid) is int and batch.pid > 0))
            and isinstance(batch.pid_started, int | float | None))
