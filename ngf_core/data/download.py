"""Fetching data sets: only at the user's request, mostly by torchvision's own downloaders."""

import hashlib
import http.client
import os
import shutil
import tarfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from ngf_core.data import DATASETS
from ngf_core.data.mapped import Report
from ngf_core.data.source import WHERE_TO_GET, data_folder
from ngf_core.data.torchvision_guard import torchvision
from ngf_core.errors import ConfigError, NGFError

ROOM = 2.5  # space for the archive and its contents, as a multiple of the archive
LOOK = 0.5
TINY_FOLDER = "tiny-imagenet-200"
TINY_ARCHIVE = f"{TINY_FOLDER}.zip"
# The course's page gives no checksum; this is the one that published loaders of the set agree on.
TINY_URL = f"http://cs231n.stanford.edu/{TINY_ARCHIVE}"
TINY_MD5 = "90528d7ca1a48142e341f4ef8d21d0de"


def download(name: str, root: str = "", report: Report | None = None) -> Path:
    """Fetch a data set into the folder `root` ("": that of `data_folder`), which is returned.

    `report(done, total)` counts bytes, from another thread. Complete files are not fetched again.

    Raises ConfigError for a set that cannot be downloaded and where the disk lacks space, NGFError
    where the download fails.
    """
    if name not in FETCHERS:
        if name not in DATASETS:
            raise ConfigError("dataset", f"{name!r} is unknown",
                              f"Choose one of {', '.join(FETCHERS)}.")
        raise ConfigError("dataset", f"{DATASETS[name].title} is not downloaded",
                          WHERE_TO_GET.get(name, "It ships with NGF Lab."))
    entry, folder = DATASETS[name], data_folder(root)
    archives, fetch = FETCHERS[name]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError("root", f"{folder} cannot hold a data set ({error.strerror})",
                          "Name a writable folder.") from error
    try:
        _check_room(folder, entry.download_bytes)
        with _watched(folder, archives, entry.download_bytes, report):
            fetch(folder)
        entry.load()(folder)
    except (OSError, RuntimeError, EOFError, http.client.HTTPException, zipfile.BadZipFile,
            tarfile.TarError) as error:
        raise NGFError(f"{entry.title} could not be downloaded into {folder} ({error}). Check the "
                       f"connection and try again, or put {archives} there from elsewhere and "
                       "repeat the command, which then only checks and unpacks it.") from error
    return folder


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if ROOM * size > free:
        raise ConfigError("root", f"downloading and unpacking need {ROOM * size / 1e9:.1f} GB in "
                          f"{folder}, where {free / 1e9:.1f} GB are free",
                          "Free some space, or name another folder.")


@contextmanager
def _watched(folder: Path, archives: str, total: int, report: Report | None) -> Iterator[None]:
    """Report the growth of the archives; torchvision's downloaders only print their progress."""
    if report is None:
        yield
        return
    over = Event()

    def report_size() -> None:
        while not over.wait(LOOK):
            report(min(_size(folder, archives), total), total)

    watcher = Thread(target=report_size, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    report(total, total)


def _size(folder: Path, archives: str) -> int:
    try:
        return sum(path.stat().st_size for path in folder.glob(archives))
    except FileNotFoundError:
        return 0  # renamed in the meantime


def _both(name: str, **parts: tuple) -> Callable[[Path], None]:
    """torchvision's download of both parts of a set; `parts` is the argument and its two values."""
    def fetch(folder: Path) -> None:
        cls = getattr(torchvision.datasets, name)
        for argument, values in parts.items():
            for value in values:
                cls(folder, download=True, **{argument: value})
    return fetch


def _tiny_imagenet(folder: Path) -> None:
    archive = folder / TINY_ARCHIVE
    if not torchvision.datasets.utils.check_integrity(archive, TINY_MD5):
        fetch_file(TINY_URL, archive, TINY_MD5)
    unpacked = folder / f"{TINY_ARCHIVE}.unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    with zipfile.ZipFile(archive) as files:
        files.extractall(unpacked)
    # Moved only when complete, so that an interrupted unpacking is not taken for the data set.
    shutil.rmtree(folder / TINY_FOLDER, ignore_errors=True)
    os.replace(unpacked / TINY_FOLDER, folder / TINY_FOLDER)
    shutil.rmtree(unpacked, ignore_errors=True)


def fetch_file(url: str, path: Path, md5: str) -> None:
    """Stream `url` into `path`; OSError where it cannot be fetched or has another checksum."""
    partial = path.with_name(path.name + ".partial")
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with urllib.request.urlopen(url, timeout=60) as answer, open(partial, "wb") as file:
            while block := answer.read(1 << 20):
                file.write(block)
                digest.update(block)
        if digest.hexdigest() != md5:
            raise OSError(f"the file received for {path.name} has the MD5 {digest.hexdigest()} "
                          f"instead of {md5}")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


# The archives whose size shows the progress, and the function that downloads.
FETCHERS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "cifar10": ("cifar-10-python.tar.gz", _both("CIFAR10", train=(True, False))),
    "cifar100": ("cifar-100-python.tar.gz", _both("CIFAR100", train=(True, False))),
    "gtsrb": ("gtsrb/*.zip", _both("GTSRB", split=("train", "test"))),
    "tiny_imagenet": (f"{TINY_ARCHIVE}*", _tiny_imagenet),
    "mnist": ("MNIST/raw/*.gz", _both("MNIST", train=(True, False))),
    "fashion_mnist": ("FashionMNIST/raw/*.gz", _both("FashionMNIST", train=(True, False))),
    "svhn": ("t*_32x32.mat", _both("SVHN", split=("train", "test"))),
}
