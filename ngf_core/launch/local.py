"""Workers as processes of this machine, the cores shared out among them."""

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ngf_core.errors import ConfigError
from ngf_core.launch.batches import LOCAL, keep_batch, new_batch
from ngf_core.launch.launcher import Task
from ngf_core.launch.settings import available_cores
from ngf_core.runs.jobs import environment
from ngf_core.runs.process import start_time

# For glibc's allocator in the worker processes: freed memory stays with the process. Otherwise the
# kernel clears 50 MB of pages for each step of the mini network, an eighth of the time.
KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**33),
               "MALLOC_TOP_PAD_": str(2**28)}
Worker = subprocess.Popen[bytes]
_LOOK = 0.05


def threads_set(cores: int) -> dict[str, str]:
    """The environment of a worker that computes on as many threads as it has cores."""
    return KEPT_MEMORY | environment() | {"OMP_NUM_THREADS": str(cores)}


class LocalLauncher:
    """`workers` at a time, each a process of its own on `cores` threads; 0: as many as have their
    cores."""

    def __init__(self, cores: int = 1, workers: int = 0) -> None:
        self.cores = cores
        self.workers = workers or max(1, available_cores() // cores)

    def refuse(self, seconds: float) -> None:
        """Raise ConfigError where a worker is to have more cores than there are."""
        if self.cores > (here := available_cores()):
            raise ConfigError("cores", f"{self.cores} are more than the {here} "
                              f"core{'s' * (here > 1)} that may be used here", "Use fewer.")

    def submit(self, stages: Sequence[Sequence[Task]], folder: Path) -> str:
        """Compute all tasks and return when none is left.

        Where this process is stopped, so are its workers; the runs go on when submitted again.
        """
        tasks = [task for stage in stages for task in stage]
        batch = new_batch(LOCAL, (task.name for task in tasks))
        pid = os.getpid()
        keep_batch(folder, replace(batch, pid=pid, pid_started=start_time(pid)))
        try:
            for stage in stages:
                self._compute(stage)
        except KeyboardInterrupt:
            print("Stopped. The same command goes on from here.", file=sys.stderr, flush=True)
            raise
        finally:
            keep_batch(folder, batch)  # whose process is done with it
        many = f"{len(tasks)} tasks were" if len(tasks) != 1 else "1 task was"
        return f"{many} computed here, {self.workers} at a time."

    def _compute(self, tasks: Sequence[Task]) -> None:
        waiting, at_work, done = deque(tasks), dict[str, Worker](), 0
        try:
            while waiting or at_work:
                while waiting and len(at_work) < self.workers:
                    task = waiting.popleft()
                    at_work[task.name] = task.command.start(threads_set(self.cores))
                for name in [name for name, worker in at_work.items()
                             if worker.poll() is not None]:
                    del at_work[name]
                    done += 1
                    print(f"{done}/{len(tasks)} {name}", flush=True)
                time.sleep(_LOOK)
        finally:
            for worker in at_work.values():  # after Ctrl-C or a kill
                worker.terminate()
            for worker in at_work.values():
                worker.wait()
