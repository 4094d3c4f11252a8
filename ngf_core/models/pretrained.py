"""A start from torchvision's ImageNet weights, where the user has their file."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor, nn

from ngf_core.errors import ConfigError
from ngf_core.models.build import tunable_layers

REMEDY = "Name a file of ImageNet weights (.pth) as torchvision publishes it for this architecture."


@dataclass(frozen=True)
class Loaded:
    """Names of the model's tensors: `taken` from the file, and `left` as they were."""

    taken: tuple[str, ...]
    left: tuple[str, ...]


def load_pretrained(model: nn.Module, arch: str, path: str | PathLike[str]) -> Loaded:
    """Fill a model of `build_model(arch, ...)` with the weights in a .pth file, in place.

    Takes every tensor whose name and shape fit. The first layer, which differs for small or
    greyscale images, and the classifier, which differs for another number of classes, need not
    fit: they stay freshly initialised; everything else must be in the file, and nothing else may
    be. The weights were trained on pixels scaled by ImageNet's mean and deviation, which
    `Normalise` comes close to (0.5 and 0.25 for 0.45 and 0.225): they are a start for training.

    Only tensors are read from the file, never code. Raises ConfigError, with the model as it was,
    for a file that is missing, truncated, not a file of weights, or of another architecture.
    """
    path = Path(path)
    saved, own = _read(path), model.state_dict()
    layers = list(tunable_layers(model))
    fresh = (layers[0] + ".", layers[-1].partition(".")[0] + ".")
    taken = [name for name in own if name in saved and saved[name].shape == own[name].shape]
    # Files from before BatchNorm counted its batches lack the counts.
    strange = [name for name in own | saved if name not in taken and not name.startswith(fresh)
               and not (name.endswith("num_batches_tracked") and name not in saved)]
    if strange:
        raise ConfigError("weights", f"{path} holds the weights of another network than {arch}: "
                          f"{strange[0]} is {_shape(saved, strange[0])} in the file and "
                          f"{_shape(own, strange[0])} in the network", REMEDY)
    model.load_state_dict({name: saved[name] for name in taken}, strict=False)
    return Loaded(tuple(taken), tuple(name for name in own if name not in taken))


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise ConfigError("weights", f"there is no file {path}", REMEDY)
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise anything
        raise ConfigError("weights", f"{path} cannot be read: it is incomplete or not a file of "
                          f"weights ({type(error).__name__})", REMEDY) from error
    if not isinstance(saved, dict) or not all(isinstance(v, Tensor) for v in saved.values()):
        raise ConfigError("weights", f"{path} is not a plain table of names and tensors", REMEDY)
    return saved


def _shape(tensors: dict[str, Tensor], name: str) -> str:
    return "x".join(map(str, tensors[name].shape)) or "a number" if name in tensors else "missing"
