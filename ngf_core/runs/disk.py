"""Files that are either whole or absent, also after a power cut; an error for a full disk.

What is written first lies in a draft, hidden beside its place: `draft_of`. One whose process died
stays, and `sweep` removes it.
"""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from ngf_core.errors import RunError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_DRAFT = re.compile(r"\..+\.(\d+)")
# A process in another container is not seen here, but it renames its draft within seconds.
_SURE = 3600.0


class DiskFull(RunError):
    """The disk or the user's quota is full; what was written before is still whole."""


@contextlib.contextmanager
def telling_full(path: Path) -> Iterator[None]:
    """Turn ENOSPC and EDQUOT into DiskFull; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DiskFull(
            f"The disk is full: {path.name} could not be written. Free some space and start again "
            "or go on; everything computed so far is kept.") from error


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` so that a reader sees the old file or the new one, never a part.

    The new one is on the disk when this returns. Raises DiskFull, and then leaves the old file and
    no draft.
    """
    draft = draft_of(path)
    with telling_full(path):
        try:
            with open(draft, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    sync_folder(path.parent)


def draft_of(path: Path) -> Path:
    """Where this process writes what will be `path`, or moves what it is about to delete."""
    return path.with_name(f".{path.name}.{os.getpid()}")


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where system and file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sweep(folder: Path) -> None:
    """Remove the drafts in a folder that have not changed for an hour and whose process is gone."""
    for path in folder.iterdir():
        draft = _DRAFT.fullmatch(path.name)
        if draft is None or psutil.pid_exists(int(draft[1])):
            continue
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime < _SURE:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def folder_size(folder: Path) -> int:
    """Bytes of all files in a folder and below; files that vanish meanwhile count nothing."""
    size = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            size += path.stat().st_size if path.is_file() else 0
    return size


def file_sha(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
