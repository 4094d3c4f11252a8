"""CIFAR-10 and CIFAR-100: 32 x 32 photographs in 10 or 100 classes.

A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009. Files as torchvision
documents them: the pickles of the "python version", each with its MD5.
"""

from functools import partial
from pathlib import Path
from typing import Any

import torch

from ngf_core.data import DATASETS
from ngf_core.data.source import Content, DataFiles, Part, damaged, require
from ngf_core.data.torchvision_guard import torchvision


def cifar10(root: Path) -> DataFiles:
    """CIFAR-10 in root/cifar-10-batches-py."""
    return _source("cifar10", torchvision.datasets.CIFAR10, root)


def cifar100(root: Path) -> DataFiles:
    """CIFAR-100 (the 100 fine labels) in root/cifar-100-python."""
    return _source("cifar100", torchvision.datasets.CIFAR100, root)


def _checksums(cls: Any) -> dict[str, str]:
    return dict([*cls.train_list, *cls.test_list, (cls.meta["filename"], cls.meta["md5"])])


def _source(name: str, cls: Any, root: Path) -> DataFiles:
    places = require(name, root / cls.base_folder, tuple(_checksums(cls)))
    return DataFiles(places, partial(_read, name, cls, root))


def _read(name: str, cls: Any, root: Path) -> Content:
    # Checked before anything is unpickled: a pickle can run code.
    for file, md5 in _checksums(cls).items():
        path = root / cls.base_folder / file
        if not torchvision.datasets.utils.check_integrity(path, md5):
            raise damaged(name, path, f"its MD5 is not {md5}")
    return Content(DATASETS[name].class_names, _part(cls(root, train=True)),
                   _part(cls(root, train=False)))


def _part(images: Any) -> Part:
    return Part(torch.tensor(images.targets), lambda i: images[i][0])
