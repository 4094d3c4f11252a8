"""A worker watched until it is killed: what had been acknowledged, and what is left of it."""

import os
import signal
import time
from dataclasses import dataclass, field
from typing import Any

import psutil

from ngf_core.errors import NGFError
from ngf_core.runs import Run
from ngf_core.runs.run import LIVE

LOOK = 0.005
ENDING = 30.0  # seconds for what a dead worker started to end


@dataclass
class Seen:
    """What a reader was given while the run was live: its events, and its files by their size."""

    events: list[dict[str, Any]] = field(default_factory=list)
    offset: int = 0
    files: set[str] = field(default_factory=set)

    def look(self, run: Run) -> None:
        """Read on from where the last look ended."""
        more, self.offset = run.events(self.offset)
        self.events += more
        self.files |= {path.name for path in run.path.iterdir()
                       if path.suffix in (".npz", ".safetensors")}


def killed(run: Run, after: float) -> Seen | None:
    """Watch a started run for `after` seconds and kill its worker; None where it ended before."""
    seen, end = Seen(), time.monotonic() + after
    while time.monotonic() < end:
        seen.look(run)
        time.sleep(LOOK)
    manifest = run.manifest
    if manifest["state"] not in LIVE:
        return None
    seen.look(run)
    try:
        os.kill(manifest["pid"], signal.SIGKILL)
    except ProcessLookupError:
        return None
    while run.live:
        time.sleep(LOOK)
    return seen


def lost_events(run: Run, seen: Seen) -> int:
    """How many of the events that were read before are not read again, in their place."""
    now, _ = run.events()
    kept = sum(one == other for one, other in zip(seen.events, now))
    return len(seen.events) - kept


def damaged_files(run: Run, seen: Seen) -> list[str]:
    """The files that were there before and cannot be read now."""
    bad = []
    for name in sorted(seen.files):
        try:
            run.arrays(name) if name.endswith(".npz") else run.tensors(name)
        except NGFError:
            bad.append(name)
    return bad


def orphans(pid: int) -> list[int]:
    """The processes of the session that worker `pid` led that are still there after `ENDING`."""
    end = time.monotonic() + ENDING
    while True:
        left = [process.pid for process in psutil.process_iter() if _is_of(process, pid)]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.05)


def _is_of(process: psutil.Process, session: int) -> bool:
    try:
        return os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.Error):
        return False
