"""SVHN: 32 x 32 photographs of house numbers, labelled with the digit in the middle.

Y. Netzer et al., "Reading digits in natural images with unsupervised feature learning", 2011.
Files as torchvision documents them: train_32x32.mat and test_32x32.mat, each with its MD5; what the
files call 10 is the digit 0.
"""

from functools import partial
from pathlib import Path
from typing import Any

import torch

from ngf_core.data import DATASETS
from ngf_core.data.source import Content, DataFiles, Part, damaged, require
from ngf_core.data.torchvision_guard import torchvision


def svhn(root: Path) -> DataFiles:
    """SVHN in root itself."""
    files = _files()
    return DataFiles(require("svhn", root, tuple(files)), partial(_read, root))


def _files() -> dict[str, str]:
    listed = torchvision.datasets.SVHN.split_list
    return {listed[part][1]: listed[part][2] for part in ("train", "test")}


def _read(root: Path) -> Content:
    for file, md5 in _files().items():
        if not torchvision.datasets.utils.check_integrity(root / file, md5):
            raise damaged("svhn", root / file, f"its MD5 is not {md5}")
    return Content(DATASETS["svhn"].class_names, _part(root, "train"), _part(root, "test"))


def _part(root: Path, split: str) -> Part:
    images: Any = torchvision.datasets.SVHN(root, split=split)
    return Part(torch.from_numpy(images.labels), lambda i: images[i][0])
