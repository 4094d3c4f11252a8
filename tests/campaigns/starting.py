"""Two ways to start a worker: as the dashboard does, and forked from a process that has imported
torch.

A worker spends most of a small run importing. One forked later begins at `worker.main` with the
imports done, so that many more can be killed while they compute and write.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from unittest.mock import patch

from ngf_core.execute import worker
from ngf_core.runs import DiskFull, Run, jobs
from ngf_core.runs.manifest import change_manifest
from ngf_core.runs.process import start_time
from tests.campaigns.small_worker import make_small

Start = Callable[[Run], None]
WORKER = (sys.executable, "-m", "tests.campaigns.small_worker")


def by_command(run: Run) -> None:
    """Start the worker as the dashboard does; only its work is small."""
    with patch.object(jobs, "WORKER", WORKER):
        jobs.launch(run)


@contextmanager
def forking() -> Iterator[Start]:
    """A function that starts workers by forking a process which lives until the end of the block.
    """
    with subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, env=jobs.environment(), text=True) as parent:
        assert parent.stdin is not None and parent.stdout is not None
        ask, answer = parent.stdin, parent.stdout

        def start(run: Run) -> None:
            print(run.path, file=ask, flush=True)
            pid = int(answer.readline())
            try:
                change_manifest(run.path, pid=pid, pid_started=start_time(pid))
            except DiskFull:
                os.kill(pid, signal.SIGKILL)  # as jobs.launch does
                raise

        yield start


def _serve() -> None:
    """Fork one worker per line of standard input, a run's directory; answer with its pid."""
    make_small()
    for module in worker.EXECUTES.values():
        import_module(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that no child stays as a zombie
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _become_worker(line.rstrip("\n"))
        print(pid, flush=True)


def _become_worker(folder: str) -> None:
    """What `jobs.launch` gives a worker: its own session, no input, output into log.txt."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(f"{folder}/log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(log, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    code = 1
    try:
        code = worker.main([folder])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
