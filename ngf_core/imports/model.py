"""The model that an import's settings describe."""

import importlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ngf_core.config import ImportConfig
from ngf_core.errors import ConfigError
from ngf_core.imports.labels import order_of
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
    found = network_of(config, own)
    needed = {} if config.builder else {"channels": (found.channels, image[0]),
                                        "classes": (found.classes, classes)}
    for what, (has, wanted) in needed.items():
        if has != wanted:
            raise ConfigError("dataset", f"{config.dataset} has {wanted} {what}, and the network "
                              f"{has}", "Choose the data set that the model was trained on.")
    mean, deviation = normalisation(config.normalisation, image[0])
    side = found.side if found.side and {found.side} != set(image[1:]) else 0
    return Received(Pixels(mean, deviation, config.order, side), found.module)


def network_of(config: ImportConfig, shapes: Mapping[str, tuple[int, ...]]) -> Network:
    """The network whose tensors have these names and shapes, on the CPU. Raises ConfigError."""
    if config.builder:
        return Network(config.builder, settled(_built(config.builder)))
    return build(shapes, Hints(config.heads))


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


def as_received(tensors: Mapping[str, Tensor], labels: str, head: str) -> dict[str, Tensor]:
    """A file's tensors as a run keeps them: float32, named below NETWORK, the rows of the layer
    `head` in the order of the data set's labels."""
    kept = {name: value.float() if value.is_floating_point() else value
            for name, value in tensors.items()}
    for name in _of_head(tensors, head) if labels else ():
        kept[name] = kept[name][order_of(labels, len(kept[name]))]
    return {NETWORK + name: value.contiguous() for name, value in kept.items()}


def as_came(tensors: Mapping[str, Tensor], dtypes: Mapping[str, torch.dtype], labels: str,
            head: str) -> dict[str, Tensor]:
    """The inverse of `as_received`: the names, types and order of rows of the file."""
    bare = {name.removeprefix(NETWORK): value for name, value in tensors.items()}
    for name in _of_head(dtypes, head) if labels else ():
        bare[name] = bare[name][torch.argsort(torch.tensor(order_of(labels, len(bare[name]))))]
    return {name: bare[name].to(dtype) for name, dtype in dtypes.items()}


def _of_head(names: Mapping[str, object], head: str) -> list[str]:
    """The tensors of the layer that returns the logits: weight and, where there is one, bias."""
    return [name for name in (f"{head}.weight", f"{head}.bias") if name in names]
