"""Files that are either whole or absent, and an error message for a full disk."""

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from ngf_core.errors import RunError

_FULL = (errno.ENOSPC, errno.EDQUOT)


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
            f"The disk is full: {path.name} could not be written. Free some space and start again; "
            "everything computed so far is kept.") from error


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` so that a reader sees the old file or the new one, never a part.

    Raises DiskFull, and then leaves the old file and no temporary one.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
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
