"""Starting, queueing and stopping workers.

A worker is a separate process that writes a run directory; the process that started it may exit.
Only NGF_MAX_JOBS runs of a folder (one, by default) compute at a time, each holding a file lock;
the others wait in the order of `ngf_core.runs.queue`. A lock is released when its holder ends, so
nothing has to be cleaned up after a crash.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

import ngf_core
from ngf_core.config import Config, config_sha
from ngf_core.errors import RunError
from ngf_core.ranks.torchrun import started_by_torchrun
from ngf_core.runs import (
    Cancelled,
    DiskFull,
    ManifestReadings,
    Run,
    RunStore,
    RunWriter,
    StoreSnapshot,
)
from ngf_core.runs.access import askers, check_access
from ngf_core.runs.cores import available_cores
from ngf_core.runs.disk import telling_full
from ngf_core.runs.manifest import CORRUPT, change_manifest
from ngf_core.runs.process import is_alive, start_time
from ngf_core.runs.queue import (
    Waiting,
    in_order,
    last_turns,
    place_text,
    seconds_until,
    usual_seconds,
)
from ngf_core.runs.resuming import requeue
from ngf_core.runs.room import refuse_full
from ngf_core.runs.server_settings import refuse_readonly, server_settings

WORKER = (sys.executable, "-m", "ngf_core.execute.worker")
_LOOK = 0.5
_RARELY = 6  # looks that a run far behind lets pass


def start(config: Config, store: RunStore, asker: str | None = None, again: bool = False,
          devices: int = 1, nodes: int = 1) -> Run:
    """Create a run of `config` and start its worker, or one for each of several `devices` of each
    of several `nodes`, see `launch`. Raises ConfigError, RunError, DiskFull.

    A browser `asker` that asks for what already waits or computes shares that run instead, and
    what is finished too, unless it is to be computed `again`. It gets a RunError where it has
    NGF_MAX_WAITING runs waiting or the store is larger than NGF_STORE_GB.
    """
    if asker is None:
        return _launched(store.create(config, ranks=devices * nodes, nodes=nodes))
    refuse_readonly()
    store.prepare()
    with _asking(store.root):
        now = StoreSnapshot(store, ManifestReadings())  # each manifest read once
        twin = next((run for run in live(now) if _is_twin(run, config)), None)
        if twin is not None:
            _join(twin, asker)
            return store.get(twin.id)
        finished = None if again else now.finished(config)
        if finished is not None:
            return store.get(finished.id)
        _check_waiting(now, asker)
        refuse_full(store.root)
        return _launched(store.create(config, askers=(asker,), ranks=devices * nodes, nodes=nodes))


def _launched(run: Run) -> Run:
    """The new run with its worker; where there is no room to note it, neither is left."""
    try:
        launch(run)
    except DiskFull:
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    return run


def _asking(root: Path) -> FileLock:
    """Held while somebody asks for a run or withdraws, so that they do so one after the other."""
    return FileLock(root / ".asking.lock")


def _is_twin(run: Run, config: Config) -> bool:
    return (not run.shipped and run.manifest["config_sha"] == config_sha(config)
            and run.manifest["pid"] is not None and not (run.path / "cancel").exists())


def _join(run: Run, asker: str) -> None:
    # A run of the command line is shown and stays the command line's.
    joined = askers(run.manifest)
    if joined and asker not in joined:
        change_manifest(run.path, askers=[*joined, asker])


def resume(run: Run, store: RunStore, asker: str | None = None) -> Run:
    """Let a run that is lost, or failed for want of disk or memory, go on where it stopped.

    It keeps its id and its folder, and waits for its turn like any other. Raises RunError where it
    cannot go on (see `resuming`) or its source is gone, and for a browser `asker` also where it may
    not change the run, where its request would be refused as in `start`, and where another run
    already computes the same.
    """
    refuse_readonly()
    store.prepare()
    with _asking(store.root):
        run = run.now()
        if asker is not None:
            check_access(run, asker)
            twin = next((other for other in live(store) if _is_twin(other, run.config)), None)
            if twin is not None:
                raise RunError(f"Run {twin.id} already computes the same. Follow that one.")
            _check_waiting(store, asker)
            refuse_full(store.root)
        store.check_source(run.config)
        before = run.manifest
        requeue(run)
        try:
            if asker is not None:
                _join(run, asker)
            launch(run.now())
        except BaseException:
            change_manifest(run.path, **before)
            raise
    return run.now()


def _check_waiting(store: RunStore, asker: str) -> None:
    most = server_settings().max_waiting
    waiting = sum(run.state == "queued" and asker in askers(run.manifest) for run in live(store))
    if waiting >= most:
        raise RunError(f"You have {waiting} job{'s' * (waiting > 1)} waiting, as many as this "
                       "server allows (NGF_MAX_WAITING). Wait until one starts, or cancel one.")


def launch(run: Run) -> None:
    """Start the worker of a queued run and return at once. Its output goes to log.txt.

    Where the run is to have several ranks, torchrun starts a worker for each; where they are on
    several nodes, torchrun is to be called on each of these, and nothing is started here.
    Raises RunError where the run is not waiting to be started, and on a server that only shows;
    DiskFull, and then no worker is left.
    """
    refuse_readonly()
    manifest = run.manifest
    if run.shipped or run.state != "queued" or manifest["pid"] is not None:
        raise RunError(f"Run {run.id} cannot be started: it is already {run.state}. "
                       "Start a new run with the same settings instead.")
    nodes = manifest["nodes"] or 1
    devices = (manifest["ranks"] or 1) // nodes
    if nodes > 1:
        change_manifest(run.path, message=f"It waits for torchrun on each of {nodes} nodes.")
        return
    worker_of_run = (*WORKER, str(run.path.absolute()))
    command = started_by_torchrun(worker_of_run, devices) if devices > 1 else worker_of_run
    with telling_full(run.path / "log.txt"), open(run.path / "log.txt", "ab") as log:
        worker = subprocess.Popen(command,
                                  env=environment() | _threads(manifest, devices),
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  start_new_session=True)
    try:
        change_manifest(run.path, pid=worker.pid, pid_started=start_time(worker.pid))
    except DiskFull:
        worker.kill()  # else it would compute, and nobody could stop it
        worker.wait()
        raise
    # Reaps the worker when it ends, so that a long-lived server collects no zombies.
    threading.Thread(target=worker.wait, daemon=True).start()


def _threads(manifest: Mapping[str, Any], devices: int) -> dict[str, str]:
    """A run that goes on does so on as many threads as before: on others sums round otherwise.
    Several ranks share out the cores; torchrun alone would give each of them one."""
    threads = manifest["threads"] if manifest["resumed"] else None
    if devices > 1 and "OMP_NUM_THREADS" not in os.environ:
        threads = threads or max(1, available_cores() // devices)
    return {"OMP_NUM_THREADS": str(threads)} if threads else {}


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


def restart(run: Run, store: RunStore, asker: str | None = None) -> Run:
    """Start a new run of the same config, by as many ranks. Raises what `start` raises."""
    manifest = run.manifest
    nodes = manifest["nodes"] or 1
    return start(run.config, store, asker, again=True, devices=(manifest["ranks"] or 1) // nodes,
                 nodes=nodes)


def withdraw(run: Run, asker: str) -> bool:
    """Take back a browser's request for a run, and cancel the run where nobody else asked for it.

    True where it is cancelled. Raises RunError where nothing runs, and where the browser may not
    stop the run (see `access`).
    """
    with _asking(run.path.parent):
        run = run.now()
        check_access(run, asker)
        asked = askers(run.manifest)
        others = [other for other in asked if other != asker]
        if run.live and asker in asked and others:
            change_manifest(run.path, askers=others)
            return False
    cancel(run)
    return True


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
        pid = None if manifest.get("job") else manifest.get("pid")  # which is another machine's
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
    """Wait until it is the run's turn (see `queue`), and keep its slot while it computes.

    While waiting the run stays queued and its message is its place. Raises Cancelled.
    """
    readings, last = ManifestReadings(), None
    while True:
        _stop_if_cancelled(run)
        place, free, text = _standing(run, readings)
        slot = _slot(run.path.parent) if place <= free else None
        if slot is not None:
            break
        if text != last:
            writer.wait(text)
            last = text
        # Those far behind look less often, so that many of them leave the processor alone.
        for _ in range(min(place, _RARELY)):
            time.sleep(_LOOK)
            _stop_if_cancelled(run)
    try:
        yield
    finally:
        slot.release()


def _stop_if_cancelled(run: Run) -> None:
    if (run.path / "cancel").exists():
        raise Cancelled


def _slot(folder: Path) -> FileLock | None:
    """A free one of the folder's NGF_MAX_JOBS locks, acquired; None where all are held."""
    for number in range(server_settings().max_jobs):
        lock = FileLock(folder / (f".lock-{number}" if number else ".lock"))
        with contextlib.suppress(Timeout):
            lock.acquire(timeout=0)
            return lock
    return None


def _standing(run: Run, readings: ManifestReadings) -> tuple[int, int, str]:
    """The run's place among those that wait, from 1; how many slots are free; its place in words.

    Of the others only those with a living worker count, and none that a cluster computes.
    """
    store = StoreSnapshot(RunStore(run.path.parent), readings)
    known = [other.manifest for other in store.list() if other.state != CORRUPT]
    others = [other.manifest for other in store.list() if other != run and other.live
              and not other.manifest["job"]]
    running = [m for m in others if m["state"] == "running"]
    waiting = {m["id"]: m for m in (run.manifest, *others)
               if m["id"] == run.id or (m["state"] == "queued" and m["pid"] is not None)}
    order = [other.id for other in in_order([Waiting.of(m) for m in waiting.values()],
                                            last_turns(known))]
    place, slots = order.index(run.id) + 1, server_settings().max_jobs
    seconds = seconds_until(running, [waiting[other] for other in order[:place - 1]],
                            usual_seconds(known), slots)
    return place, slots - len(running), place_text(place, len(order), seconds)
