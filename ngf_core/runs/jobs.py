"""Starting, queueing and stopping workers.

A worker is a separate process that writes a run directory; the process that started it may exit.
Only one run of a folder computes at a time: the others wait for a file lock, in the order of their
creation. The lock is released when its holder ends, so nothing has to be cleaned up after a crash.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

import ngf_core
from ngf_core.config import Config
from ngf_core.errors import RunError
from ngf_core.runs import Cancelled, Run, RunStore, RunWriter
from ngf_core.runs.disk import telling_full
from ngf_core.runs.manifest import change_manifest
from ngf_core.runs.process import is_alive, start_time

WORKER = (sys.executable, "-m", "ngf_core.execute.worker")
_LOOK = 0.5


def start(config: Config, store: RunStore) -> Run:
    """Create a run of `config` and start its worker. Raises ConfigError, RunError, DiskFull."""
    run = store.create(config)
    launch(run)
    return run


def launch(run: Run) -> None:
    """Start the worker of a queued run and return at once. Its output goes to log.txt.

    Raises RunError where the run is not waiting to be started.
    """
    manifest = run.manifest
    if run.shipped or run.state != "queued" or manifest["pid"] is not None:
        raise RunError(f"Run {run.id} cannot be started: it is already {run.state}. "
                       "Start a new run with the same settings instead.")
    with telling_full(run.path / "log.txt"), open(run.path / "log.txt", "ab") as log:
        worker = subprocess.Popen((*WORKER, str(run.path.absolute())), env=environment(),
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  start_new_session=True)
    change_manifest(run.path, pid=worker.pid, pid_started=start_time(worker.pid))
    # Reaps the worker when it ends, so that a long-lived server collects no zombies.
    threading.Thread(target=worker.wait, daemon=True).start()


def environment() -> dict[str, str]:
    """This process's environment, with this ngf_core importable from any working directory.

    Idle arithmetic threads sleep rather than spin: beside another busy process, spinning made
    training ten times slower.
    """
    home = str(Path(ngf_core.__file__).parents[1])
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"OMP_WAIT_POLICY": "PASSIVE"} | os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def live(store: RunStore) -> list[Run]:
    """The runs that wait or compute, in the order of their creation."""
    return [run for run in reversed(store.list()) if run.live]


def restart(run: Run, store: RunStore) -> Run:
    """Start a new run of the same config. Raises what `start` raises."""
    return start(run.config, store)


def cancel(run: Run, term_after: float = 5.0, kill_after: float = 10.0) -> threading.Thread:
    """Ask a run to stop and return at once; a thread ensures that it does.

    The worker stops at its next step, else at SIGTERM `term_after` seconds later, else it is
    killed at `kill_after`. Join the thread to wait for the end. Raises RunError where nothing runs.
    """
    run.cancel()
    watch = threading.Thread(target=_see_to_it, args=(run, term_after, kill_after), daemon=True)
    watch.start()
    return watch


def _see_to_it(run: Run, term_after: float, kill_after: float) -> None:
    began = time.monotonic()
    for seconds, number in ((term_after, signal.SIGTERM), (kill_after, signal.SIGKILL)):
        while time.monotonic() < began + seconds:
            if not run.now().live:
                return
            time.sleep(0.1)
        manifest = run.now().manifest
        pid = manifest.get("pid")
        if pid is not None and is_alive(pid, manifest.get("pid_started")):
            _signal_group(pid, number)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        # A worker that was started by hand shares its group with others: spare them.
        if os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)


@contextlib.contextmanager
def turn(run: Run, writer: RunWriter) -> Iterator[None]:
    """Wait until no earlier run of the same folder waits or computes, and keep the others out.

    While waiting the run stays queued and its message names the run it waits for. Raises Cancelled.
    """
    store, lock, last = RunStore(run.path.parent), FileLock(run.path.parent / ".lock"), None
    while True:
        if (run.path / "cancel").exists():
            raise Cancelled
        ahead = _ahead_of(run, store)
        if not any(other.state == "queued" for other in ahead):
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=0)
                break
        whom = ahead[0].id if ahead else "another run"
        message = f"waiting for {whom}; position {max(1, len(ahead))}"
        if message != last:
            writer.wait(message)
            last = message
        time.sleep(_LOOK)
    try:
        yield
    finally:
        lock.release()


def _ahead_of(run: Run, store: RunStore) -> list[Run]:
    """The run that computes, then the earlier ones that wait; only those with a living worker."""
    others = {other: other.manifest for other in live(store) if other != run}
    mine = (run.manifest["created"], run.id)
    running = [o for o, m in others.items() if m["state"] == "running"]
    earlier = [o for o, m in others.items() if m["state"] == "queued" and m["pid"] is not None
               and (m["created"], o.id) < mine]
    return running + earlier
