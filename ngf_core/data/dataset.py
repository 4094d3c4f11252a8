"""Images with labels, and the three fixed, disjoint parts that every data set is split into.

An embedded set is cut in its own order: test, reserve, train. A set on the user's disk keeps its
official test part; its official training part, in a fixed random order, is cut into reserve and
train. Its images are decoded once and then mapped into memory.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import PIL
import torch
from torch import Tensor

from ngf_core.data import DATASETS, DatasetEntry
from ngf_core.data.mapped import Kept, Plan, Report, kept, mapped
from ngf_core.data.source import Content, DataFiles, Part, data_folder, listing
from ngf_core.data.uploads import UPLOAD, refuse_large, uploaded
from ngf_core.errors import ConfigError, NGFError

TEST_IMAGES = 1000
RESERVE_SHARE = 0.05
ORDER_SEED = 1234
FORMAT = "2"  # to be raised when what is stored for the same files changes


@dataclass(frozen=True)
class Images:
    """n images x, uint8 (n, C, H, W), with labels y, int64 (n,).

    Where x is mapped from a file, `file` names it and `first` is the index of x[0] in it; such
    images must not be written to, but their `copy()` may be.
    """

    x: Tensor
    y: Tensor
    file: Path | None = None
    first: int = 0

    def __post_init__(self) -> None:
        if self.x.dtype != torch.uint8 or self.x.ndim != 4:
            raise ConfigError("images", f"have type {self.x.dtype} and shape {tuple(self.x.shape)}",
                              "Give uint8 images of shape (n, channels, height, width).")
        if self.y.shape != self.x.shape[:1]:
            raise ConfigError("labels", f"{len(self.y)} labels for {len(self.x)} images",
                              "Give one label per image.")

    def __len__(self) -> int:
        return len(self.y)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        _, channels, height, width = self.x.shape
        return channels, height, width

    def take(self, indices: Tensor | slice) -> "Images":
        """The images at `indices`, in that order."""
        if self.file is not None and isinstance(indices, slice) and indices.step in (None, 1):
            first = self.first + indices.indices(len(self))[0]
            return Images(self.x[indices], self.y[indices], self.file, first)
        return Images(self.x[indices], self.y[indices])

    def copy(self) -> "Images":
        """The same images, to be written to; of mapped ones, only pages written take memory."""
        if self.file is not None and self.file.exists():
            return Images(mapped(self.file, self.first, len(self), self.shape), self.y.clone())
        return Images(self.x.clone(), self.y.clone())


@dataclass(frozen=True)
class Dataset:
    """The parts `train` (the attacker's), `reserve` (the defender's) and `test`.

    They share no image. `train` does not depend on how much of the reserve a defender uses, so
    that one model serves every clean fraction.
    """

    name: str
    class_names: tuple[str, ...]
    train: Images
    reserve: Images
    test: Images
    sha256: str

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.train.shape

    @property
    def classes(self) -> int:
        return len(self.class_names)

    def clean(self, fraction: float = RESERVE_SHARE, balance: str = "drawn") -> Images:
        """The defender's clean set: the first `fraction` of train and reserve together.

        balance: "drawn" takes the images in the reserve's order; "balanced" the first of each
        class, equally many of each, or all that the reserve has of it.
        Raises ConfigError where that is less than one image or more than the reserve holds.
        """
        count = round(fraction * (len(self.train) + len(self.reserve)))
        if not 1 <= count <= len(self.reserve):
            limit = len(self.reserve) / (len(self.train) + len(self.reserve))
            raise ConfigError("clean_fraction", f"{fraction} amounts to {count} clean images",
                              f"{self.name} has {len(self.reserve)}; use at most {limit:g}.")
        if balance == "balanced":
            turns = _rank_in_class(self.reserve.y).argsort(stable=True)
            return self.reserve.take(turns[:count].sort().values)
        return self.reserve.take(slice(0, count))


@dataclass(frozen=True)
class Outline:
    """A data set as its files tell it, before its images are decoded.

    `train` and `test` are the labels, int64, of the parts that `load_dataset` returns, in the same
    order. `decoded(indices)` are training images at some `indices`. `shape` is (C, H, W).
    """

    class_names: tuple[str, ...]
    shape: tuple[int, int, int]
    train: Tensor
    test: Tensor
    decoded: Callable[[Tensor], Images]

    @property
    def classes(self) -> int:
        return len(self.class_names)


def split(name: str, class_names: tuple[str, ...], x: Tensor, y: Tensor) -> Dataset:
    """Cut images in their given order: test first, then the reserve, the rest for training."""
    images = Images(x, y)
    reserve_end = TEST_IMAGES + round(RESERVE_SHARE * (len(images) - TEST_IMAGES))
    return Dataset(name, class_names,
                   train=images.take(slice(reserve_end, None)),
                   reserve=images.take(slice(TEST_IMAGES, reserve_end)),
                   test=images.take(slice(0, TEST_IMAGES)),
                   sha256=checksum(x, y))


def checksum(x: Tensor, y: Tensor) -> str:
    """SHA-256 of the bytes of images, then labels."""
    return hashlib.sha256(x.numpy().tobytes() + y.numpy().tobytes()).hexdigest()


@lru_cache(maxsize=2)
def load_dataset(name: str, root: str = "", limit: int = 0, size: int = 0) -> Dataset:
    """The data set called `name`.

    `root` is the folder with the user's data sets ("": the one of `data_folder`), `limit` the
    most images of each class in the official training part and in the test part (0: all), `size`
    the side of an image in pixels (0: the set's own). Embedded sets need no root and have one size.

    Raises ConfigError for an unknown name, an invalid size, and files that are missing, NGFError
    for damaged ones.
    """
    entry = _entry(name, limit, size)
    if not entry.embedded:
        return _assembled(name, _keep(name, root, limit, size, None))
    dataset = split(name, entry.class_names, *entry.load()())
    return _limited(dataset, limit) if limit else dataset


def prepare_dataset(name: str, root: str = "", limit: int = 0, size: int = 0,
                    report: Report | None = None) -> None:
    """Decode a set on disk where that is not done yet, so that `load_dataset` is quick.

    `report(done, total)` counts images. Nothing is done for embedded sets. Raises what
    `load_dataset` raises.
    """
    if not _entry(name, limit, size).embedded:
        _keep(name, root, limit, size, report)


@lru_cache(maxsize=1)
def outline(name: str, root: str = "", limit: int = 0, size: int = 0) -> Outline:
    """What `load_dataset` would return, outlined; of a set on disk no image is decoded for it.

    Raises what `load_dataset` raises, but for damaged images.
    """
    entry = _entry(name, limit, size)
    if entry.embedded:
        dataset = load_dataset(name, root, limit, size)
        return Outline(dataset.class_names, dataset.shape, dataset.train.y, dataset.test.y,
                       dataset.train.take)
    content = _read(find_source(name, root))
    train, reserve, test = _cut(content, limit)
    side = size or entry.size
    refuse_large(data_folder(root), len(train) + len(reserve) + len(test), side)

    def decoded(indices: Tensor) -> Images:
        x = [_pixels(content, content.train, i, entry.channels, side)
             for i in train[indices].tolist()]
        return Images(torch.from_numpy(np.stack(x)), content.train.labels[train[indices]])

    return Outline(content.class_names, (entry.channels, side, side), content.train.labels[train],
                   content.test.labels[test], decoded)


def find_source(name: str, root: str = "") -> DataFiles:
    """The files of a set on disk; ConfigError where some are missing."""
    try:
        return DATASETS[name].load()(data_folder(root))
    except OSError as error:
        raise _unreadable(error) from error


def _entry(name: str, limit: int, size: int) -> DatasetEntry:
    if name not in DATASETS:
        raise ConfigError("dataset", f"{name!r} is unknown",
                          f"Choose one of {', '.join(DATASETS)}.")
    entry = DATASETS[name]
    if limit < 0:
        raise ConfigError("limit", f"{limit} is negative", "Use 0 for all images.")
    if entry.embedded and size not in (0, entry.size):
        raise ConfigError("size", f"{name} has images of {entry.size} pixels only, not {size}",
                          f"Use 0 or {entry.size}.")
    if size and not 8 <= size <= 1024:
        raise ConfigError("size", f"{size} is out of range", "Use 0 or 8 to 1024 pixels.")
    return entry


# ---- embedded sets


def _limited(dataset: Dataset, limit: int) -> Dataset:
    """The first images of each class: of the test part, and of reserve and train together."""
    pool = Images(torch.cat((dataset.reserve.x, dataset.train.x)),
                  torch.cat((dataset.reserve.y, dataset.train.y)))
    pool = pool.take(first_of_each_class(pool.y, limit))
    reserved = _reserve(len(pool))
    test = dataset.test.take(first_of_each_class(dataset.test.y, limit))
    digest = hashlib.sha256(f"{dataset.sha256} {limit}".encode()).hexdigest()
    return Dataset(dataset.name, dataset.class_names, pool.take(slice(reserved, None)),
                   pool.take(slice(0, reserved)), test, digest)


def first_of_each_class(labels: Tensor, limit: int) -> Tensor:
    """Ascending indices of the first `limit` entries of each label."""
    return (_rank_in_class(labels) < limit).nonzero()[:, 0]


def _rank_in_class(labels: Tensor) -> Tensor:
    """For each entry, how many before it have the same label."""
    order = labels.argsort(stable=True)
    counts = labels.bincount()
    rank = torch.empty_like(labels)
    rank[order] = torch.arange(len(labels)) - (counts.cumsum(0) - counts)[labels[order]]
    return rank


def _reserve(count: int) -> int:
    return max(1, round(RESERVE_SHARE * count))


# ---- sets on disk


def _keep(name: str, root: str, limit: int, size: int, report: Report | None) -> Kept:
    entry, folder, source = DATASETS[name], data_folder(root), find_source(name, root)
    side = size or entry.size
    called = UPLOAD if uploaded(folder) else name
    try:
        files = "".join(listing(folder, source.places))
    except OSError as error:
        raise _unreadable(error) from error
    facts = f"{FORMAT} {PIL.__version__} {name} {limit} {side}\n{files}"
    plan = partial(_plan, folder, source, entry.channels, limit, side)
    return kept(called, facts.encode(), plan, report)


def _plan(folder: Path, source: DataFiles, channels: int, limit: int, size: int) -> Plan:
    """What is stored: train, then reserve, then test, each in a random order."""
    content = _read(source)
    train, reserve, test = _cut(content, limit)
    refuse_large(folder, len(train) + len(reserve) + len(test), size)
    places = [(part, i) for part, chosen in ((content.train, train), (content.train, reserve),
                                             (content.test, test)) for i in chosen.tolist()]
    labels = torch.cat((content.train.labels[train], content.train.labels[reserve],
                        content.test.labels[test]))
    notes = {"class_names": content.class_names, "parts": [len(train), len(reserve), len(test)]}

    def image(index: int) -> np.ndarray:
        part, i = places[index]
        return _pixels(content, part, i, channels, size)

    return Plan(labels, image, (channels, size, size), notes)


def _read(source: DataFiles) -> Content:
    try:
        return source.read()
    except OSError as error:
        raise _unreadable(error) from error


def _cut(content: Content, limit: int) -> tuple[Tensor, Tensor, Tensor]:
    """Indices of train and reserve in the official training part, and of test in the other.

    ConfigError where train or test would be empty.
    """
    pool, test = _order(content.train, limit), _order(content.test, limit)
    reserved = _reserve(len(pool))
    train, reserve = pool[reserved:], pool[:reserved]
    for part, images in (("training", train), ("testing", test)):
        if not len(images):
            raise ConfigError("root", f"of {len(pool)} images to train on, one of which is the "
                              f"defender's, and {len(test)} to test on, none is left for {part}",
                              "Add images.")
    return train, reserve, test


def _order(part: Part, limit: int) -> Tensor:
    """Indices in random order; with a limit, the first of each class in that order."""
    generator = torch.Generator().manual_seed(ORDER_SEED)
    order = torch.randperm(len(part.labels), generator=generator)
    return order[first_of_each_class(part.labels[order], limit)] if limit else order


def _pixels(content: Content, part: Part, index: int, channels: int, size: int) -> np.ndarray:
    image = part.image(index)
    mode = "L" if channels == 1 else "RGB"
    image = content.fit(image if image.mode == mode else image.convert(mode), size)
    return np.asarray(image).reshape(size, size, channels).transpose(2, 0, 1)


def _assembled(name: str, stored: Kept) -> Dataset:
    whole = Images(mapped(stored.path, 0, len(stored.labels), stored.shape), stored.labels,
                   stored.path)
    train, reserve, _ = stored.notes["parts"]
    return Dataset(name, tuple(stored.notes["class_names"]),
                   train=whole.take(slice(0, train)),
                   reserve=whole.take(slice(train, train + reserve)),
                   test=whole.take(slice(train + reserve, None)),
                   sha256=stored.sha256)


def _unreadable(error: OSError) -> NGFError:
    return NGFError(f"{error.filename or 'A file of the data set'} cannot be read "
                    f"({error.strerror or error}). Check that it exists and that you may read it.")
