"""ImageNet (ILSVRC 2012): photographs in 1,000 classes, 1.28 million for training.

O. Russakovsky et al., "ImageNet large scale visual recognition challenge", IJCV 115 (2015). Read
from class folders named by WordNet ids, so the archives and the development kit are not needed; the
test part is `val`. A subset of the 1,000 classes works too; they are then named by their ids.
"""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path

from ngf_core.data.folder import by_class
from ngf_core.data.source import WHERE_TO_GET, Content, DataFiles, require
from ngf_core.data.torchvision_guard import torchvision
from ngf_core.errors import ConfigError


def imagenet(root: Path) -> DataFiles:
    """ImageNet in root/imagenet, or in root itself where root/train has such class folders."""
    place = root if any(map(_is_class, root.glob("train/n*"))) else root / "imagenet"
    train, val = require("imagenet", place, ("train", "val"))
    return DataFiles((train, val), partial(_read, train, val))


def _read(train: Path, val: Path) -> Content:
    for folder in (train, val):
        classes = sorted(place for place in folder.iterdir() if place.is_dir())
        strange = [place for place in classes if not _is_class(place)]
        if strange:
            raise ConfigError("root", f"{strange[0]} is not a class folder of ImageNet (n and "
                              "eight digits)", "For other classes use the data set `folder`.")
        if not classes:
            raise ConfigError("root", f"{folder} has no class folders", WHERE_TO_GET["imagenet"])
    content = by_class(train, val)
    return replace(content, class_names=_names(content.class_names))


def _is_class(place: Path) -> bool:
    return re.fullmatch(r"n\d{8}", place.name) is not None


def _names(wnids: tuple[str, ...]) -> tuple[str, ...]:
    """torchvision lists the names of all classes, in the order of the sorted ids."""
    names = torchvision.models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    return tuple(names) if len(wnids) == len(names) else wnids
