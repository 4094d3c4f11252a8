"""Images with labels, and the three fixed, disjoint parts that every data set is split into."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ngf_core.data import DATASETS
from ngf_core.errors import ConfigError

TEST_IMAGES = 1000
RESERVE_SHARE = 0.05


@dataclass(frozen=True)
class Images:
    """n images x, uint8 (n, C, H, W), with labels y, int64 (n,)."""

    x: Tensor
    y: Tensor

    def __post_init__(self) -> None:
        if self.x.dtype != torch.uint8 or self.x.ndim != 4:
            raise ConfigError("images", f"have type {self.x.dtype} and shape {tuple(self.x.shape)}",
                              "Give uint8 images of shape (n, channels, height, width).")
        if self.y.shape != self.x.shape[:1]:
            raise ConfigError("labels", f"{len(self.y)} labels for {len(self.x)} images",
                              "Give one label an image.")

    def __len__(self) -> int:
        return len(self.y)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return tuple(self.x.shape[1:])

    def take(self, indices: Tensor | slice) -> "Images":
        """The images at `indices`, in that order."""
        return Images(self.x[indices], self.y[indices])


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

    def clean(self, fraction: float = RESERVE_SHARE) -> Images:
        """The defender's clean set: the first `fraction` of train and reserve together.

        Raises ConfigError where that is less than one image or more than the reserve holds.
        """
        count = round(fraction * (len(self.train) + len(self.reserve)))
        if not 1 <= count <= len(self.reserve):
            limit = len(self.reserve) / (len(self.train) + len(self.reserve))
            raise ConfigError("clean_fraction", f"{fraction} asks for {count} clean images",
                              f"{self.name} has {len(self.reserve)}; use at most {limit:g}.")
        return self.reserve.take(slice(0, count))


def split(name: str, class_names: tuple[str, ...], x: Tensor, y: Tensor) -> Dataset:
    """Cut images in their given order: test first, then the reserve, the rest for training."""
    digest = hashlib.sha256(x.numpy().tobytes() + y.numpy().tobytes()).hexdigest()
    images = Images(x, y)
    reserve_end = TEST_IMAGES + round(RESERVE_SHARE * (len(images) - TEST_IMAGES))
    return Dataset(name, class_names,
                   train=images.take(slice(reserve_end, None)),
                   reserve=images.take(slice(TEST_IMAGES, reserve_end)),
                   test=images.take(slice(0, TEST_IMAGES)),
                   sha256=digest)


@lru_cache(maxsize=2)
def load_dataset(name: str) -> Dataset:
    """The data set called `name`; ConfigError where there is none."""
    if name not in DATASETS:
        raise ConfigError("dataset", f"{name!r} is unknown",
                          f"Choose one of {', '.join(DATASETS)}.")
    entry = DATASETS[name]
    return split(name, entry.class_names, *entry.load()())
