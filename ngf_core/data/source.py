"""A data set on the user's disk, whatever its format: its files, and what they hold."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import Tensor

from ngf_core.data import DATASETS
from ngf_core.data.picture import FORMATS, eight_bit, refuse_huge
from ngf_core.errors import ConfigError, NGFError
from ngf_core.paths import checkout

# What data sets come in besides.
OLDER = ("PPM", "TIFF")


def cropped(image: Image.Image, size: int) -> Image.Image:
    """The middle square of an image, as large as it can be, at size x size pixels."""
    return ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)


def squeezed(image: Image.Image, size: int) -> Image.Image:
    """The whole image at size x size pixels, whatever its shape was."""
    return image.resize((size, size), Image.Resampling.BILINEAR)


@dataclass(frozen=True)
class Part:
    """`labels` int64 (n,), and `image(i)`, which decodes the i-th image."""

    labels: Tensor
    image: Callable[[int], Image.Image]


@dataclass(frozen=True)
class Content:
    """The official two parts of a data set; `fit` brings an image to its side in pixels."""

    class_names: tuple[str, ...]
    train: Part
    test: Part
    fit: Callable[[Image.Image, int], Image.Image] = cropped


@dataclass(frozen=True)
class DataFiles:
    """`places` are the files and folders that determine the set; `read` reads them."""

    places: tuple[Path, ...]
    read: Callable[[], Content]


def data_folder(root: str = "") -> Path:
    """The folder with the user's data sets.

    It is `root`, else the one that NGF_DATA names, else `data`: at the top of a checkout, or for
    an installed package in the working folder.
    """
    named = root or os.environ.get("NGF_DATA")
    return Path(named or (checkout() or Path.cwd()) / "data").expanduser()


def file_part(samples: list[tuple[str, int]]) -> Part:
    """Image files with their labels."""
    labels = torch.tensor([label for _, label in samples], dtype=torch.int64)
    return Part(labels, lambda i: decoded(samples[i][0]))


def decoded(path: str | Path) -> Image.Image:
    """The picture in a file, in colour; NGFError where it cannot be read."""
    try:
        # By content, whatever the name says: Pillow would hand an EPS file to another program.
        with Image.open(path, formats=(*FORMATS, *OLDER)) as image:
            refuse_huge(image)
            return eight_bit(image).convert("RGB")
    except FileNotFoundError:
        raise NGFError(f"The image {path} does not exist, but the data set lists it. "
                       "Get the set again.") from None
    except NGFError as error:
        raise NGFError(f"The image {path} cannot be taken. {error}") from None
    except Exception as error:  # what decoders raise on damaged files is not documented
        raise NGFError(f"The image {path} cannot be read ({error}). Delete it, or replace it by "
                       "an intact one.") from error


def require(name: str, folder: Path, expected: tuple[str, ...]) -> tuple[Path, ...]:
    """The `expected` files and folders inside `folder`; ConfigError where one is missing."""
    places = tuple(folder / part for part in expected)
    missing = [part for part, place in zip(expected, places) if not place.exists()]
    if missing:
        raise ConfigError("root", f"{DATASETS[name].title} is not complete in {folder}: "
                          f"{' and '.join(missing)} missing", remedy(name))
    return places


def damaged(name: str, path: Path, why: str) -> NGFError:
    """The error for a file of a data set that exists but is not what it should be."""
    return NGFError(f"{path} is not the file that {DATASETS[name].title} needs: {why}. "
                    f"Delete it and get it again. {remedy(name)}")


def remedy(name: str) -> str:
    """How the user gets the files of a data set."""
    size = DATASETS[name].download_bytes
    if size:
        return (f"`python -m ngf_core data download {name}` fetches it ({size / 1e6:.0f} MB); if "
                "you have the files, put them there or name the folder above as root.")
    return WHERE_TO_GET[name]


WHERE_TO_GET = {
    "imagenet": "ImageNet (ILSVRC 2012) is open to registered users of its site. Unpack it "
                "into train/ and val/, each with the 1,000 class folders (n01440764, ...) with "
                "their JPEG images, and name the folder above them as root.",
    "folder": "Name as root a folder with one folder of images per class, or with two folders "
              "train and test (or val) of that form.",
}


def listing(root: Path, places: tuple[Path, ...]) -> Iterator[str]:
    """One line per file below `places`: path from `root`, bytes, time of its last change."""
    for place in places:
        if place.is_dir():
            yield from _below(root, place)
        else:
            yield _line(root, place, place.stat())


def _below(root: Path, folder: str | Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir():
                yield from _below(root, entry.path)
            else:
                yield _line(root, entry.path, entry.stat())


def _line(root: Path, path: str | Path, stat: os.stat_result) -> str:
    return f"{os.path.relpath(path, root)}\t{stat.st_size}\t{stat.st_mtime_ns}\n"
