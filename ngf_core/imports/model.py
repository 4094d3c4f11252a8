"""The model that an import's settings describe."""

import importlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ngf_core.config import ImportConfig
from ngf_core.errors import ConfigError
from ngf_core.imports.networks.network import Hints, Network
from ngf_core.imports.received import Pixels, Received, normalisation, settled
from ngf_core.imports.recognise import build

NETWORK = "network."
BUILDER = "Name a function without arguments that returns the network, as module:function."


def received(config: ImportConfig, shapes: Mapping[str, tuple[int, ...]],
             image: tuple[int, int, int], classes: int) -> Received:
    """The model without its weights, for images of `image` (C, H, W): `network` behind `pixels`.

    shapes: of the run's tensors by name, with NETWORK before each. Raises ConfigError where the
    network is not known here, where the builder does not return one, and where it is one for other
    images or classes.
    """
    own = {name.removeprefix(NETWORK): shape for name, shape in shapes.items()}
    found = network_of(config, own, image[0], classes)
    needed = {"channels": (found.channels or image[0], image[0]),
              "classes": (found.classes, classes)}
    for what, (has, wanted) in needed.items():
        if has != wanted:
            raise ConfigError("dataset", f"{config.dataset} has {wanted} {what}, and the network "
                              f"{has}", "Choose the data set that the model was trained on.")
    mean, deviation = normalisation(config.normalisation, image[0])
    side = found.side if found.side and {found.side} != set(image[1:]) else 0
    return Received(Pixels(mean, deviation, config.order, side), found.module)


def network_of(config: ImportConfig, shapes: Mapping[str, tuple[int, ...]], channels: int,
               classes: int) -> Network:
    """The network whose tensors have these names and shapes, on the CPU. Raises ConfigError."""
    if config.builder:
        return Network(config.builder, settled(_built(config.builder)))
    return build(shapes, Hints(config.heads, channels, classes))


def _built(builder: str) -> nn.Module:
    module, colon, function = builder.partition(":")
    try:
        with torch.random.fork_rng(devices=[]):
            made = getattr(importlib.import_module(module), function)()
    except Exception as error:  # other people's code can raise anything
        raise ConfigError("builder", f"{builder} cannot be called ({type(error).__name__}: "
                          f"{error})", BUILDER) from error
    if not isinstance(made, nn.Module):
        raise ConfigError("builder", f"{builder} returned a {type(made).__name__}", BUILDER)
    return made


def as_received(tensors: Mapping[str, Tensor], labels: str) -> dict[str, Tensor]:
    """A file's tensors as a run keeps them: float32, named below NETWORK, the head's rows in the
    order of the data set's labels."""
    kept = {name: value.float() if value.is_floating_point() else value
            for name, value in tensors.items()}
    for name in head(tensors) if labels else ():
        kept[name] = kept[name][order_of(labels, len(kept[name]))]
    return {NETWORK + name: value.contiguous() for name, value in kept.items()}


def as_came(tensors: Mapping[str, Tensor], dtypes: Mapping[str, torch.dtype], labels: str
            ) -> dict[str, Tensor]:
    """The inverse of `as_received`: the names, types and order of rows of the file."""
    bare = {name.removeprefix(NETWORK): value for name, value in tensors.items()}
    for name in head(dtypes) if labels else ():
        bare[name] = bare[name][torch.argsort(torch.tensor(order_of(labels, len(bare[name]))))]
    return {name: bare[name].to(dtype) for name, dtype in dtypes.items()}


def head(names: Mapping[str, object]) -> list[str]:
    """The tensors of the last layer: weight and, where there is one, bias."""
    last = [name for name in names if name.endswith(".weight")][-1].removesuffix("weight")
    return [name for name in (f"{last}weight", f"{last}bias") if name in names]


def order_of(labels: str, classes: int) -> list[int]:
    """The network's output for each label. Raises ConfigError unless each output is named once."""
    try:
        order = [int(part) for part in labels.split(",")]
    except ValueError:
        order = []
    if sorted(order) != list(range(classes)):
        raise ConfigError("labels", f"{labels[:60]!r} does not name each of the {classes} outputs "
                          "once", "Write the output for each label, as 2,0,1.")
    return order
