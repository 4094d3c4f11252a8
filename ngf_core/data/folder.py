"""Any folder of images by class: one folder per class, named after it, as for ImageFolder.

With two folders `train` and `test` (or `val`) of that form that split is kept; without them the
test part is a fifth of all images, drawn with a fixed seed.
"""

import os
from functools import partial
from pathlib import Path

import torch

from ngf_core.data.source import WHERE_TO_GET, Content, DataFiles, data_folder, file_part
from ngf_core.data.torchvision_guard import torchvision
from ngf_core.errors import ConfigError

TEST_SHARE = 0.2
TEST_SEED = 2020


def folder(root: Path) -> DataFiles:
    """The class folders in root; `folder` inside the data folder where no other root is named."""
    if root == data_folder():
        root = root / "folder"
    train = root / "train"
    if not train.is_dir():
        _classes(root)
        return DataFiles((root,), partial(_divided, root))
    tests = [root / name for name in ("test", "val") if (root / name).is_dir()]
    if not tests:
        return DataFiles((train,), partial(_divided, train))
    _classes(train)
    return DataFiles((train, tests[0]), partial(by_class, train, tests[0]))


def by_class(train: Path, test: Path) -> Content:
    """Two folders with the same class folders; the classes are those of `train`."""
    names, samples = _images(train)
    strange = sorted(set(_classes(test)) - set(names))
    if strange:
        raise ConfigError("root", f"{test} has the class folder {strange[0]}, which {train} "
                          "lacks", "Give both the same classes.")
    return Content(names, file_part(samples), file_part(_listed(test, names)))


def listed_images(place: Path) -> list[str]:
    """Paths of the image files in a folder, sorted."""
    endings = torchvision.datasets.folder.IMG_EXTENSIONS
    return sorted(entry.path for entry in os.scandir(place) if entry.name.lower().endswith(endings))


def _divided(root: Path) -> Content:
    names, samples = _images(root)
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(TEST_SEED))
    count = round(TEST_SHARE * len(samples))
    test, train = ([samples[i] for i in part.sort().values] for part in
                   (order[:count], order[count:]))
    return Content(names, file_part(train), file_part(test))


def _classes(place: Path) -> list[str]:
    """Names of the class folders in `place`, sorted; ConfigError where there are not two.

    Hidden folders, which editors and notebooks leave behind, are not classes.
    """
    names = sorted(p.name for p in place.iterdir() if p.is_dir() and p.name[0] != "."
                   ) if place.is_dir() else []
    if len(names) < 2:
        what = (f"has {len(names)} class folder(s), and at least two are needed"
                if place.is_dir() else "does not exist or is not a folder")
        raise ConfigError("root", f"{place} {what}", WHERE_TO_GET["folder"])
    return names


def _images(place: Path) -> tuple[tuple[str, ...], list[tuple[str, int]]]:
    names = tuple(_classes(place))
    samples = _listed(place, names)
    empty = set(range(len(names))) - {label for _, label in samples}
    if empty:
        raise ConfigError("root", f"{place / names[min(empty)]} holds no images", "Put images ("
                          f"{', '.join(torchvision.datasets.folder.IMG_EXTENSIONS)}) into it, or "
                          "remove the folder.")
    return names, samples


def _listed(place: Path, names: tuple[str, ...]) -> list[tuple[str, int]]:
    samples = torchvision.datasets.folder.make_dataset(
        place, {name: label for label, name in enumerate(names)},
        torchvision.datasets.folder.IMG_EXTENSIONS, allow_empty=True)
    if not samples:
        raise ConfigError("root", f"{place} holds no images", WHERE_TO_GET["folder"])
    return samples
