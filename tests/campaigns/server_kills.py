"""Servers killed with SIGKILL while a job runs that they started, half of them with its worker."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from subprocess import Popen

from ngf_core.config import TrainConfig
from ngf_core.runs import Run, RunStore, jobs
from ngf_core.runs.manifest import change_manifest
from tests.browser.server import Server, started
from tests.campaigns.counts import Counts
from tests.campaigns.session import Drawn, session
from tests.campaigns.watched import Seen, lost_events, orphans
from tests.support.waiting import until

# A real training of a few seconds, most of which its worker spends on importing torch.
SHORT = TrainConfig(dataset="digits", attack="none", limit=20, epochs=12)
LIFE = 4.0  # seconds after its start, or its first step, within which the server dies
AGAIN = "Start it again"


@dataclass
class _Up:
    """The server that is up, and its process."""

    server: Server
    process: Popen


def kill_servers(folder: Path, kills: int, random: Random, deadline: float) -> Counts:
    """Kill `kills` servers at random moments of a job that a button started, start the next one,
    and look at what it shows; ends early at `deadline` (time.monotonic)."""
    counts = Counts("Servers killed")
    with _serving(folder, counts) as up:
        forgotten = _lost_run(up.server.store)
        for number in range(kills):
            if time.monotonic() > deadline:
                break
            run = _pressed(up.server, forgotten, counts)
            if number % 4 >= 2:  # in half of the cases there are steps to lose
                until(lambda run=run: run.progress() is not None or not run.live, seconds=120)
            seen = _watched(run, random.uniform(0, LIFE))
            with_worker = number % 2 == 1
            _kill(up.process)
            counts.done["kills of a server" + (" and its worker" if with_worker else "")] += 1
            worker = run.manifest["pid"]
            if with_worker:
                _kill_worker(worker)
            up.server, up.process = started(folder, up.server.log)
            _judge(run, seen, up.server, with_worker, counts)
            if not with_worker:
                until(lambda run=run: not run.live, seconds=120)
                counts.done["runs that went on and are done"] += run.state == "done"
                counts.found("acknowledged steps lost", int(run.state != "done"),
                             f"{run.id} is {run.state}, and nobody killed its worker")
            counts.found("orphan processes", len(orphans(worker)), run.id)
            counts.found("pages with a stack trace", int(bool(up.server.traces())),
                         up.server.traces())
            run.delete()
    return counts


def _lost_run(store: RunStore) -> Run:
    """A run whose settings a page offers to start again."""
    store.prepare()
    run = store.create(SHORT)
    change_manifest(run.path, state="running", pid=2**22 + 1, pid_started=1.0)
    return run


def _pressed(server: Server, forgotten: Run, counts: Counts) -> Run:
    """The run that the server started when a browser pressed the button."""
    known = set(server.store.list())
    query = {"run": forgotten.id}
    with session(server.url) as tab:
        page = tab.open("runs", query)
        _look(page, counts)
        _look(tab.open("runs", query, press=page.button(AGAIN)), counts)
    (run,) = set(server.store.list()) - known
    return run


def _watched(run: Run, seconds: float) -> Seen:
    """What a reader sees of the run within that time, or until its end."""
    seen, end = Seen(), time.monotonic() + seconds
    while time.monotonic() < end and run.live:
        seen.look(run)
        time.sleep(0.02)
    seen.look(run)
    return seen


def _kill(process: Popen) -> None:
    process.kill()
    process.wait()


def _kill_worker(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it had ended


def _judge(run: Run, seen: Seen, server: Server, with_worker: bool, counts: Counts) -> None:
    counts.done["acknowledged events checked"] += len(seen.events)
    counts.done["acknowledged steps checked"] += sum(
        event["type"] in ("progress", "point") for event in seen.events)
    counts.found("acknowledged steps lost", lost_events(run, seen), run.id)
    allowed = ("lost", "done") if with_worker else ("running", "queued", "done")
    state, message = run.status()
    counts.done[f"read as {state} by the next server"] += 1
    counts.found("runs unreadable without explanation", int(state not in allowed),
                 f"{run.id} is {state} ({message})")
    with session(server.url) as tab:
        page = tab.open("runs", {"run": run.id})
        _look(page, counts)
        _look(tab.open("", {}), counts)
    told = state != "lost" or any(message in alert for alert in page.alerts)
    counts.found("runs unreadable without explanation", int(not told),
                 f"the page of {run.id} does not say: {message}")


def _look(page: Drawn, counts: Counts) -> None:
    counts.done["pages drawn by a server"] += 1
    wrong = page.exceptions + [said for said in page.alerts if "could not be drawn" in said]
    counts.found("pages with a stack trace", int(bool(wrong)), str(wrong))


@contextmanager
def _serving(folder: Path, counts: Counts) -> Iterator[_Up]:
    up = _Up(*started(folder, folder / "log"))
    try:
        yield up
    finally:
        _kill(up.process)
        for run in jobs.live(RunStore(folder / "runs")):
            jobs.cancel(run).join()
