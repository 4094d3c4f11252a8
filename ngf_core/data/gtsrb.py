"""GTSRB: photographs of German road signs in 43 classes, 15 to 250 pixels wide.

J. Stallkamp et al., "Man vs. computer", Neural Networks 32 (2012). Files as torchvision documents
them. Its training part is that of the first competition (26,640 images); it comes in tracks of 30
pictures of one sign, which a random reserve splits.
"""

import csv
from functools import partial
from pathlib import Path
from typing import Any

from ngf_core.data import DATASETS
from ngf_core.data.source import Content, DataFiles, damaged, file_part, require, squeezed
from ngf_core.data.torchvision_guard import torchvision
from ngf_core.errors import ConfigError, NGFError

TRAINING, TEST, TRUTH = "GTSRB/Training", "GTSRB/Final_Test/Images", "GT-final_test.csv"


def gtsrb(root: Path) -> DataFiles:
    """GTSRB in root/gtsrb. Images are squeezed to a square, nothing is cut off."""
    places = require("gtsrb", root / "gtsrb", (TRAINING, TEST, TRUTH))
    return DataFiles(places, partial(_read, root))


def _read(root: Path) -> Content:
    names, folder = DATASETS["gtsrb"].class_names, root / "gtsrb"
    _check_classes(folder / TRAINING, [f"{i:05d}" for i in range(len(names))])
    # torchvision's list of (file, label); reading the images would decode them.
    train = file_part(torchvision.datasets.GTSRB(root, split="train")._samples)
    try:
        listed: Any = torchvision.datasets.GTSRB(root, split="test")._samples
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise damaged("gtsrb", folder / TRUTH, f"it is not a table with the columns Filename and "
                      f"ClassId ({error!r})") from error
    if not listed or not all(0 <= label < len(names) for _, label in listed):
        raise damaged("gtsrb", folder / TRUTH, "it lists no images, or classes other than 0 to 42")
    return Content(names, train, file_part(listed), squeezed)


def _check_classes(folder: Path, expected: list[str]) -> None:
    """torchvision numbers the class folders that it finds: one too few would shift the others."""
    found = sorted(place.name for place in folder.iterdir() if place.is_dir())
    if found != expected:
        differing = ", ".join(sorted(set(found) ^ set(expected)))
        raise ConfigError("root", f"{folder} must have the class folders 00000 to 00042, but "
                          f"these are missing or unexpected: {differing}", "Delete the folder and "
                          "unpack the archive again; it may have been interrupted before.")
    for name in expected:
        there = {place.name for place in (folder / name).iterdir()}
        if not any(file.endswith(".ppm") for file in there):
            raise NGFError(f"{folder / name} holds no .ppm image. Delete {folder} and unpack the "
                           "archive again.")
        listed = folder / name / f"GT-{name}.csv"
        if listed.is_file():
            _check_listed(listed, there)


def _check_listed(path: Path, there: set[str]) -> None:
    try:
        with open(path, newline="") as file:
            names = [row["Filename"] for row in csv.DictReader(file, delimiter=";")]
    except (KeyError, ValueError, csv.Error) as error:
        raise damaged("gtsrb", path, f"it has no column Filename ({error!r})") from error
    missing = [name for name in names if name not in there]
    if missing:
        raise NGFError(f"{path.parent / missing[0]} does not exist, but {path.name} lists it. "
                       f"Delete {path.parents[1]} and unpack the archive again.")
