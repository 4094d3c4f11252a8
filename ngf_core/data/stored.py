"""How much decoded images take in the cache folder, and their end when nothing uses them."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ngf_core.paths import cache_folder

HOURS = 24.0  # that decoded images are kept after their last use
ENDINGS = (".images", ".partial")


def decoded_size() -> int:
    """Bytes of the decoded images in the cache folder, also of those being decoded."""
    size = 0
    for path in _files(""):
        with suppress(OSError):
            size += path.stat().st_size
    return size


def forget_unused(name: str = "") -> None:
    """Delete decoded images that nothing has opened for HOURS, of sets whose files begin with
    `name`; "": of all.

    They are decoded again when they are needed. A process that has mapped them keeps them until it
    ends.
    """
    for path in _files(name):
        with suppress(OSError, Timeout):
            if _old(path):
                _forget(path)


def _forget(path: Path) -> None:
    with FileLock(path.with_suffix(".lock")).acquire(timeout=0):
        if _old(path):
            path.unlink()
            path.with_suffix(".npz").unlink(missing_ok=True)


def _old(path: Path) -> bool:
    return path.stat().st_mtime < time.time() - 3600 * HOURS


def _files(name: str) -> Iterator[Path]:
    return (path for ending in ENDINGS for path in cache_folder().glob(f"{name}*{ending}"))
