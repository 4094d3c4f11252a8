"""The idx files of MNIST and its successors: four arrays of bytes, gzipped or unpacked.

An idx file is two zero bytes, a type (8: unsigned byte), the number of dimensions, each length as a
big-endian 32-bit number, and the values (Y. LeCun's page of MNIST).
"""

import gzip
import zlib
from functools import partial
from math import prod
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ngf_core.data import DATASETS
from ngf_core.data.source import Content, DataFiles, Part, damaged, require

PARTS = ("train", "t10k")
IMAGES, LABELS = "{}-images-idx3-ubyte", "{}-labels-idx1-ubyte"
FILES = tuple(kind.format(part) for part in PARTS for kind in (IMAGES, LABELS))


def idx_files(name: str, folder: Path) -> DataFiles:
    """The set called `name` in `folder`; ConfigError where a file is missing in either form."""
    found = tuple(file + ".gz" if (folder / f"{file}.gz").exists()
                  and not (folder / file).exists() else file for file in FILES)
    places = require(name, folder, found)
    return DataFiles(places, partial(_read, name, places))


def _read(name: str, places: tuple[Path, ...]) -> Content:
    return Content(DATASETS[name].class_names, _part(name, *places[:2]), _part(name, *places[2:]))


def _part(name: str, images: Path, labels: Path) -> Part:
    pixels, labelled = read_idx(name, images, 3), read_idx(name, labels, 1)
    if len(pixels) != len(labelled):
        raise damaged(name, labels, f"it has {len(labelled):,} labels for the {len(pixels):,} "
                      f"images in {images.name}")
    return Part(torch.from_numpy(labelled.astype(np.int64)), lambda i: Image.fromarray(pixels[i]))


def read_idx(name: str, path: Path, dimensions: int) -> np.ndarray:
    """The bytes of one file as a read-only uint8 array of so many dimensions.

    Raises NGFError where it is not such a file or holds more or fewer values than it states.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise damaged(name, path, f"it cannot be unpacked ({error})") from error
    header = 4 * (1 + dimensions)
    if len(content) < header or content[:4] != bytes((0, 0, 8, dimensions)):
        raise damaged(name, path, f"it is not an idx file of bytes in {dimensions} dimension(s)")
    lengths = [int.from_bytes(content[i:i + 4], "big") for i in range(4, header, 4)]
    if len(content) != header + prod(lengths):
        raise damaged(name, path, f"it has {len(content):,} bytes where its header states "
                      f"{header + prod(lengths):,}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(lengths)
