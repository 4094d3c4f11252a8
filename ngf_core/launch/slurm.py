"""Workers as jobs of a Slurm cluster, submitted by submitit as arrays.

A job starts the same worker as a process of this machine would be, on a run directory of the file
system that all nodes share. Slurm alone decides when; nothing here has to stay alive.
"""

import os
import re
import shlex
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from operator import ge
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ngf_core.errors import ConfigError, NGFError, shown
from ngf_core.launch.batches import SLURM, Batch, batches, keep_batch, new_batch
from ngf_core.launch.launcher import Command, Task
from ngf_core.launch.local import threads_set
from ngf_core.launch.settings import LaunchSettings
from ngf_core.launch.slurm_queue import asked, jobs

if TYPE_CHECKING:
    from submitit.core.utils import DelayedSubmission

JOB = "NGF_JOB"  # in the environment of a worker: the job that it computes for
MOST = 1000  # tasks of an array: MaxArraySize is 1001 where nobody changed it
# Of the environment, what a worker needs even where a site exports nothing to its jobs.
HANDED_ON = ("PYTHONPATH", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "NGF_DATA", "NGF_CACHE")
# Before the time limit, in which the job puts itself back into the queue; a quarter of a short one.
WARNING_SECONDS = 60


@dataclass(frozen=True)
class Job:
    """What a job does: start the worker and wait for it. Exit code: the worker's."""

    command: Command

    def __call__(self) -> None:
        # Slurm's warning goes to both processes. A worker that died of it would end the job before
        # submitit has put it back into the queue.
        handler = signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # which a new process inherits
        worker = self.command.start(os.environ | {JOB: job_id()})
        signal.signal(signal.SIGUSR2, handler)
        try:
            code = worker.wait()
        finally:
            if worker.poll() is None:
                worker.kill()  # it must not compute beside the one that goes on
                worker.wait()
        if code:
            raise SystemExit(code if code > 0 else 128 - code)

    def checkpoint(self) -> "DelayedSubmission":
        """What the job does when it starts again after its time limit: the same, since the worker
        goes on where its run directory says."""
        from submitit.core.utils import DelayedSubmission

        return DelayedSubmission(self)


def job_id() -> str:
    """The id of the job in which this process runs, as squeue shows it: 17, or 17_3 of an array."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return (f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array
            else os.environ["SLURM_JOB_ID"])


class SlurmLauncher:
    """Jobs with these settings."""

    def __init__(self, settings: LaunchSettings) -> None:
        self.settings = settings

    def refuse(self, seconds: float) -> None:
        """Raise NGFError where Slurm or submitit is missing, and ConfigError where so many seconds
        are more than a job may take, or the partition has not what a job asks for."""
        _submitit()
        asking = self.settings
        if seconds > 60 * asking.minutes:
            raise ConfigError("minutes", f"a cell needs about {seconds / 60:.1f} minutes without a "
                              f"stop, and a job may take {asking.minutes}",
                              f"Use --minutes {ceil(seconds / 30)}, twice as many.")
        check_partition(asking)

    def submit(self, stages: Sequence[Sequence[Task]], folder: Path) -> str:
        """Submit the tasks, an array per thousand; those of a stage start when those they need
        have ended, well or not."""
        submitted = []
        for stage in stages:
            for first in range(0, len(stage), MOST):
                submitted.append(self._submit(stage[first:first + MOST], folder))
        count = sum(map(len, stages))
        return f"Submitted {count} task{'s' * (count != 1)}, as {_plural(submitted)}."

    def _submit(self, tasks: Sequence[Task], folder: Path) -> str:
        before = sorted(active_jobs({run for task in tasks for run in task.needs}, folder))
        batch = new_batch(SLURM, (task.name for task in tasks))
        keep_batch(folder, batch)
        try:
            executor = self._executor(batch, folder, before)
            with executor.batch():  # as one array
                made = [executor.submit(Job(task.command)) for task in tasks]
        except _submitit().core.utils.FailedJobError as error:
            raise NGFError(f"Slurm refused to take the jobs: {shown(error, 300)}.") from None
        job = str(made[0].job_id).partition("_")[0]
        keep_batch(folder, replace(batch, job=job))
        return job

    def _executor(self, batch: Batch, folder: Path, before: Sequence[str]) -> Any:
        asking = self.settings
        environment = os.environ | threads_set(asking.cores)
        executor = _submitit().SlurmExecutor(folder / batch.name)
        further = asking.further | {"requeue": True}
        if before:
            further["dependency"] = "afterany:" + ":".join(before)
        executor.update_parameters(
            job_name=batch.name, time=asking.minutes, cpus_per_task=asking.cores,
            array_parallelism=asking.array_parallelism, stderr_to_stdout=True,
            signal_delay_s=min(WARNING_SECONDS, 15 * asking.minutes), additional_parameters=further,
            setup=[f"export {name}={shlex.quote(environment[name])}"
                   for name in HANDED_ON if name in environment],
            **({"partition": asking.partition} if asking.partition else {}),
            **({"gpus_per_node": asking.gpus} if asking.gpus else {}))
        return executor


def active_jobs(runs: set[str], folder: Path) -> set[str]:
    """The ids of the jobs, of arrays as a whole, that will still compute one of these runs."""
    known = {batch.name: batch for batch in batches(folder)
             if batch.launcher == SLURM and runs & set(batch.runs)}
    return {job.id.partition("_")[0] for (name, place), job in jobs(known).items()
            if not job.ended and known[name].runs[place] in runs}


def check_partition(asking: LaunchSettings) -> None:
    """Raise ConfigError where the partition does not exist, or no node of it has what a job asks
    for: Slurm would let the job wait forever. Raises NGFError where Slurm does not answer."""
    told = asked("sinfo", "--noheader", "--format=%P|%l|%c|%G").splitlines()
    rows = [line.strip().split("|") for line in told if line.count("|") == 3]
    names = sorted({name.rstrip("*") for name, *_ in rows})
    mine = [_Nodes(_minutes(limit), int(cores.rstrip("+")), _gpus(gres))
            for name, limit, cores, gres in rows
            if (name.rstrip("*") == asking.partition if asking.partition else name.endswith("*"))]
    if asking.partition and not mine:
        raise ConfigError("partition", f"there is no partition {asking.partition}",
                          f"This cluster has {', '.join(names)}.")
    if not mine:
        return  # no default partition: sbatch says so
    limit, cores, gpus = map(max, zip(*mine, strict=True))
    if asking.minutes > limit:
        raise ConfigError("minutes", f"{asking.minutes} are more than the partition allows",
                          f"Use at most {limit:.0f}, or another --partition.")
    if asking.cores > cores:
        raise ConfigError("cores", f"the partition's nodes have {cores} cores, and not "
                          f"{asking.cores}", "Use fewer, or another --partition.")
    if asking.gpus > gpus:
        has = f"the partition's nodes have {gpus}" if gpus else "no node of the partition has a GPU"
        raise ConfigError("gpus", f"{has}, and not {asking.gpus}" if gpus else has,
                          "Name another --partition, or leave --gpus out.")
    wanted = _Nodes(asking.minutes, asking.cores, asking.gpus)
    if not any(all(map(ge, node, wanted)) for node in mine):
        raise ConfigError("partition", f"no node of it has {asking.cores} cores and {asking.gpus} "
                          f"GPUs for {asking.minutes} minutes at once",
                          "Ask for less, or name another --partition.")


class _Nodes(NamedTuple):
    """Nodes that are alike."""

    minutes: float
    cores: int
    gpus: int


def _gpus(gres: str) -> int:
    """How many GPUs a node has: 4 of gpu:a100:4(S:0-1), 3 of gpu:2,gpu:v100:1, 1 of gpu."""
    found = re.findall(r"\bgpu(?::[^:,()]*[A-Za-z][^:,()]*)?(?::(\d+))?", gres)
    return sum(int(count or 1) for count in found)


def _minutes(limit: str) -> float:
    """A time limit of Slurm in minutes: infinite, 30:00, 12:00:00, 7-00:00:00."""
    if not limit[:1].isdigit():
        return float("inf")
    days, _, clock = limit.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    if days:
        parts += [0] * (3 - len(parts))
    hours, minutes, seconds = [0] * (3 - len(parts)) + parts
    return int(days or 0) * 1440 + hours * 60 + minutes + seconds / 60


def _plural(job_ids: Sequence[str]) -> str:
    return ("job " if len(job_ids) == 1 else "jobs ") + ", ".join(job_ids)


def _submitit() -> Any:
    """The package submitit. Raises NGFError where it is not installed."""
    try:
        import submitit
    except ImportError:
        raise NGFError("Jobs of a Slurm cluster need the package submitit. Install it with "
                       "`pip install 'ngf-lab[cluster]'`, or use --launcher local.") from None
    return submitit
