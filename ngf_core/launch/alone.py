"""One process at a time hands out the tasks of a folder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from ngf_core.errors import RunError


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder`, where submissions are kept. Raises RunError where another process
    has it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(folder / ".lock").acquire(timeout=0)
    except Timeout:
        raise RunError(f"Another process submits or computes in {folder.parent}. Wait until it is "
                       "done; `sweep status` tells how far a sweep or a benchmark is. Or name "
                       "another folder with --out.") from None
    with lock:
        yield
