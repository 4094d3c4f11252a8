"""Images that are decoded once into a file, and from then on mapped into memory.

The file holds nothing but pixels, uint8 (n, C, H, W), one image after the other; labels and notes
are in a second file beside it. Only pages that are read are ever in memory, so a set may be larger
than that. A mapping is private: what is written to its tensor stays in this process, costs memory
for the touched pages only, and never reaches the file.
"""

import hashlib
import json
import mmap
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from ngf_core.errors import ConfigError, NGFError
from ngf_core.paths import cache_folder

Report = Callable[[int, int], None]
CHUNK = 256  # images decoded before they are written
WORKERS = min(8, os.cpu_count() or 1)
# A private mapping larger than memory is refused unless the kernel may leave it unbacked. Python
# 3.11 has no name for that flag.
UNRESERVED = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)


@dataclass(frozen=True)
class Plan:
    """What to store: labels int64 (n,), `image(i)` uint8 of `shape` (C, H, W), JSON notes."""

    labels: Tensor
    image: Callable[[int], np.ndarray]
    shape: tuple[int, int, int]
    notes: dict[str, Any]


@dataclass(frozen=True)
class Kept:
    """A finished file. `sha256` is that of all pixels, then all labels."""

    path: Path
    labels: Tensor
    shape: tuple[int, int, int]
    notes: dict[str, Any]
    sha256: str


def kept(name: str, determined_by: bytes, plan: Callable[[], Plan], report: Report | None = None
         ) -> Kept:
    """What `plan()` returns, written to the cache folder now or earlier for the same bytes.

    `report(done, total)` is called while images are decoded. An interrupted build leaves nothing
    that is taken for complete; two processes do not build the same file twice.

    Raises ConfigError where the disk lacks space, NGFError where it cannot be written, and what
    `plan` and its `image` raise.
    """
    folder = cache_folder()
    path = folder / f"{name}-{hashlib.sha256(determined_by).hexdigest()[:16]}.images"
    found = _finished(path)
    if found is not None:
        return found
    lock = FileLock(path.with_suffix(".lock"))
    with _disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        return _finished(path) or _build(path, plan(), report)
    finally:
        lock.release()


def mapped(path: Path, first: int, count: int, shape: tuple[int, int, int]) -> Tensor:
    """`count` images from the `first` on, uint8 (count, C, H, W), in a new private mapping."""
    with open(path, "rb") as file:
        if hasattr(mmap, "MAP_PRIVATE"):
            pages = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE | UNRESERVED,
                              prot=mmap.PROT_READ | mmap.PROT_WRITE)
        else:
            pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    pixels = np.frombuffer(pages, np.uint8, count * prod(shape), first * prod(shape))
    return torch.from_numpy(pixels.reshape(count, *shape))


def _finished(path: Path) -> Kept | None:
    """None where the file is absent, truncated or damaged; else it counts as used now."""
    try:
        with suppress(PermissionError):  # a cache that others filled, and that is only read here
            os.utime(path)
        with np.load(path.with_suffix(".npz")) as saved:
            labels, shape = torch.from_numpy(saved["labels"]), tuple(saved["shape"].tolist())
            notes, sha256 = json.loads(str(saved["notes"])), str(saved["sha256"])
        if path.stat().st_size == len(labels) * prod(shape):
            return Kept(path, labels, shape, notes, sha256)
    except (OSError, KeyError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile):
        pass
    return None


def _build(path: Path, plan: Plan, report: Report | None) -> Kept:
    count = len(plan.labels)
    _check_room(path.parent, count * prod(plan.shape))
    partial, beside = path.with_suffix(".partial"), path.with_suffix(".partial.npz")
    try:
        digest = hashlib.sha256()
        with _disk(path.parent), open(partial, "wb") as file:
            for done, pixels in _decoded(plan):
                file.write(pixels)
                digest.update(pixels)
                if report is not None:
                    report(done, count)
        digest.update(plan.labels.numpy().tobytes())
        made = Kept(path, plan.labels, plan.shape, plan.notes, digest.hexdigest())
        with _disk(path.parent):
            np.savez(beside, labels=plan.labels.numpy(), shape=plan.shape,
                     notes=json.dumps(plan.notes), sha256=made.sha256)
            os.replace(partial, path)
            os.replace(beside, path.with_suffix(".npz"))
    finally:
        partial.unlink(missing_ok=True)
        beside.unlink(missing_ok=True)
    return made


def _decoded(plan: Plan) -> Iterator[tuple[int, bytes]]:
    """(images so far, pixels of the latest ones); decoding releases the interpreter's lock."""
    def pixels(index: int) -> bytes:
        image = plan.image(index)
        assert image.shape == plan.shape and image.dtype == np.uint8
        return image.tobytes()

    count = len(plan.labels)
    with ThreadPoolExecutor(WORKERS) as pool:
        for first in range(0, count, CHUNK):
            last = min(first + CHUNK, count)
            yield last, b"".join(pool.map(pixels, range(first, last)))


def _check_room(folder: Path, needed: int) -> None:
    with _disk(folder):
        free = shutil.disk_usage(folder).free
    if needed > free:
        raise ConfigError("limit", f"the decoded images need {needed / 1e9:,.1f} GB in {folder}, "
                          f"where {free / 1e9:,.1f} GB are free", "Use fewer images per class "
                          "(limit) or smaller ones (size), or set NGF_CACHE to a folder on a "
                          "larger disk.")


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NGFError(f"Decoded images cannot be stored in {folder} ({error}). Set NGF_CACHE to a "
                       "writable folder with enough space.") from error
