"""Triggered images in a folder, as BackdoorBench's bd_test_dataset holds them, or without classes.

bd_test_dataset has one folder per true class, named by its number; names of classes are taken too.
Images that lie in the folder itself have no known class.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ngf_core.data.dataset import Dataset, Images
from ngf_core.data.folder import listed_images
from ngf_core.data.source import decoded
from ngf_core.data.uploads import refuse_large
from ngf_core.errors import ConfigError
from ngf_core.evaluate.test_set import Triggered

NO_CLASS = -1
REMEDY = ("Give a folder with images in folders by their true class (as BackdoorBench's "
          "bd_test_dataset), or with the images alone where that is unknown.")


def triggered_folder(place: Path, dataset: Dataset, target: int) -> Triggered:
    """The images of a folder at the data set's size, whose attacker wants the label `target`.

    Images of the class `target` itself are left out, as their label would not change. Raises
    ConfigError where the folder holds no image of another class, or a folder of no class of the
    data set, and for an upload with too many pixels (`uploads`), NGFError where an image cannot be
    read.
    """
    if not place.is_dir():
        raise ConfigError("triggered", f"{place} is not a folder", REMEDY)
    place = _inside(place, dataset.class_names)
    files = [(path, NO_CLASS) for path in listed_images(place)]
    for folder in sorted(p for p in place.iterdir() if p.is_dir() and not p.name.startswith(".")):
        label = _label(folder, dataset.class_names)
        files += [(path, label) for path in listed_images(folder)]
    kept = [(path, label) for path, label in files if label != target]
    if not kept:
        raise ConfigError("triggered", f"{place} holds no image" + (
            f" of another class than the target, {target}" if files else ""), REMEDY)
    refuse_large(place, len(kept), dataset.shape[-1])
    x = torch.stack([_pixels(path, dataset.shape) for path, _ in kept])
    labels = torch.tensor([label for _, label in kept])
    return Triggered(Images(x, labels), torch.full_like(labels, target))


def _inside(place: Path, class_names: tuple[str, ...]) -> Path:
    """The only folder in `place`, where that is all it holds and it is no class."""
    inside = [part for part in place.iterdir() if not part.name.startswith(".")]
    if len(inside) == 1 and inside[0].is_dir() and inside[0].name not in class_names \
            and not inside[0].name.isdecimal():
        return inside[0]
    return place


def _label(folder: Path, class_names: tuple[str, ...]) -> int:
    if folder.name in class_names:
        return class_names.index(folder.name)
    if folder.name.isdecimal() and int(folder.name) < len(class_names):
        return int(folder.name)
    raise ConfigError("triggered", f"the folder {folder.name} is none of the {len(class_names)} "
                      f"classes of the data set, by number or by name", REMEDY)


def _pixels(path: str, shape: tuple[int, int, int]) -> Tensor:
    channels, height, width = shape
    picture = decoded(path)
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    levels = np.asarray(picture.convert("L" if channels == 1 else "RGB"), np.uint8)
    return torch.from_numpy(levels.reshape(height, width, channels).transpose(2, 0, 1).copy())
