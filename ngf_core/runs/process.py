"""Whether a worker is alive: a process id counts only with its start time, as ids are reused."""

import os
import sys
from pathlib import Path

import psutil

# Where the start time is one of the clock, corrections of the clock may shift it a little.
_TOLERANCE = 2.0


def start_time(pid: int) -> float | None:
    """When process `pid` started, or None where there is no such process.

    In seconds since the machine started on Linux, so that a clock that is set changes nothing;
    elsewhere in Unix seconds.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return _since_boot(pid) if sys.platform == "linux" else float(process.create_time())
    except (psutil.Error, OSError):
        return None


def _since_boot(pid: int) -> float:
    # Field 22 of proc(5)'s stat; the name in parentheses before may itself hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def is_alive(pid: int | None, started: float | None) -> bool:
    """True where process `pid` runs and is the one that started at `started`."""
    if pid is None or started is None:
        return False
    now = start_time(pid)
    return now is not None and abs(now - started) <= _TOLERANCE
