"""Whether a worker still lives: a process id counts only with its start time, as ids are reused."""

import psutil

# The start time is derived from the boot time, which the clock's corrections may move a little.
_TOLERANCE = 2.0


def start_time(pid: int) -> float | None:
    """When process `pid` started (Unix seconds), or None where there is no such process."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return float(process.create_time())
    except psutil.Error:
        return None


def is_alive(pid: int | None, started: float | None) -> bool:
    """True where process `pid` runs and is the one that started at `started`."""
    if pid is None or started is None:
        return False
    now = start_time(pid)
    return now is not None and abs(now - started) <= _TOLERANCE
