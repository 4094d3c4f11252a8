"""MNIST: 28 x 28 handwritten digits.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
recognition", Proceedings of the IEEE 86 (1998). Files as torchvision documents them: the four
unpacked idx files in MNIST/raw.
"""

from functools import partial
from math import prod
from pathlib import Path
from typing import Any

from ngf_core.data import DATASETS
from ngf_core.data.source import Content, DataFiles, Part, damaged, require
from ngf_core.data.torchvision_guard import torchvision

IMAGES, LABELS = "{}-images-idx3-ubyte", "{}-labels-idx1-ubyte"
FILES = tuple(kind.format(part) for part in ("train", "t10k") for kind in (IMAGES, LABELS))


def mnist(root: Path) -> DataFiles:
    """MNIST in root/MNIST/raw."""
    return DataFiles(require("mnist", root / "MNIST" / "raw", FILES), partial(_read, root))


def _read(root: Path) -> Content:
    raw = root / "MNIST" / "raw"
    for part in ("train", "t10k"):
        images, labels = raw / IMAGES.format(part), raw / LABELS.format(part)
        (count, *_), (labelled, ) = _lengths(images, 3), _lengths(labels, 1)
        if count != labelled:
            raise damaged("mnist", labels, f"it has {labelled:,} labels for the {count:,} images "
                          f"in {images.name}")
    return Content(DATASETS["mnist"].class_names, _part(root, True), _part(root, False))


def _lengths(path: Path, dimensions: int) -> list[int]:
    """The lengths that an idx file states: two zero bytes, a type, how many, then each length.

    torchvision checks no MD5 here and raises RuntimeError for a truncated file, so the header and
    the number of bytes are compared first. Raises NGFError where they disagree.
    """
    header = 4 * (1 + dimensions)
    with open(path, "rb") as file:
        start = file.read(header)
    if len(start) < header or start[:4] != bytes((0, 0, 8, dimensions)):
        raise damaged("mnist", path, f"it is not an unpacked idx file of bytes in {dimensions} "
                      "dimension(s)")
    lengths = [int.from_bytes(start[i:i + 4], "big") for i in range(4, header, 4)]
    stated, size = header + prod(lengths), path.stat().st_size
    if size != stated:
        raise damaged("mnist", path, f"it has {size:,} bytes where its header states {stated:,}")
    return lengths


def _part(root: Path, train: bool) -> Part:
    images: Any = torchvision.datasets.MNIST(root, train=train)
    return Part(images.targets, lambda i: images[i][0])
