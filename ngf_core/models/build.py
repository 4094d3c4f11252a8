"""Building a model by name, and the layers of it that can be tuned."""

from collections.abc import Iterable
from functools import lru_cache

import torch
from torch import nn

from ngf_core.errors import ConfigError
from ngf_core.models import ARCHITECTURES


def build_model(arch: str, shape: tuple[int, int, int], classes: int, seed: int = 0) -> nn.Module:
    """A freshly initialised model for images of `shape` (C, H, W).

    The weights depend on `seed` only; the global random state is left as it was.
    Raises ConfigError for an unknown name.
    """
    if arch not in ARCHITECTURES:
        raise ConfigError("arch", f"{arch!r} is unknown",
                          f"Choose one of {', '.join(ARCHITECTURES)}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ARCHITECTURES[arch].load()(arch, shape, classes)


def tunable_layers(model: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    """Every convolution and linear layer by name, from input to output.

    NGF can tune each of them: the tests hold every architecture to layers of a kind that
    `ngf_core.fisher.per_sample` knows and that run once in a forward pass.
    """
    return {name: layer for name, layer in model.named_modules()
            if isinstance(layer, nn.Conv2d | nn.Linear)}


def tunable_layer(model: nn.Module, name: str) -> nn.Conv2d | nn.Linear:
    """The layer called `name`; ConfigError naming the layers there are."""
    layers = tunable_layers(model)
    if name not in layers:
        raise ConfigError("layer", f"this network has no layer {name!r}",
                          f"Choose one of {', '.join(layers)}.")
    return layers[name]


def tuned_layers(model: nn.Module, text: str) -> dict[str, nn.Conv2d | nn.Linear]:
    """The layers that `text` names, by name, from input to output, each once.

    text: a layer ("blocks.2.conv1"), a block for all its layers ("blocks.2"), "all", or several of
    these with commas between. Only convolutions and linear layers are meant: a BatchNorm that
    stands inside a block, or between two tuned layers, keeps its weights.
    Raises ConfigError, naming the layers there are, where a part names none of them.
    """
    layers = tunable_layers(model)
    return {name: layers[name] for name in named_layers(tuple(layers), text)}


def named_layers(names: tuple[str, ...], text: str) -> list[str]:
    """Those of a network's layers `names` that `text` names; see `tuned_layers`."""
    chosen: set[str] = set()
    for part in text.replace(" ", "").split(","):
        inside = [name for name in names if part in ("all", name) or name.startswith(f"{part}.")]
        if part == "auto":
            raise ConfigError("layer", "auto names no layer before it was chosen on clean data",
                              "Call ngf_core.layers.choose_layer first and name what it chose.")
        if not inside:
            raise ConfigError("layer", f"this network has no layer {part!r}",
                              f"Choose one of {', '.join(names)}{_blocks(names)}, or all.")
        chosen.update(inside)
    return [name for name in names if name in chosen]


def blocks(names: Iterable[str]) -> tuple[str, ...]:
    """The names of the blocks that hold at least two of the layers `names`, in their order.

    Where one block holds the same layers as another inside it, it is named by the outer one.
    """
    held: dict[str, list[str]] = {}
    for name in names:
        steps = name.split(".")
        for depth in range(1, len(steps)):
            held.setdefault(".".join(steps[:depth]), []).append(name)
    first: dict[tuple[str, ...], str] = {}
    for block, inside in held.items():
        if len(inside) > 1:
            first.setdefault(tuple(inside), block)
    return tuple(first.values())


def _blocks(names: Iterable[str]) -> str:
    found = blocks(names)
    return f", a block ({', '.join(found)})" if found else ""


@lru_cache
def tunable_layer_names(arch: str, shape: tuple[int, int, int] = (3, 32, 32)) -> tuple[str, ...]:
    """The names that `tunable_layers` gives for this architecture, without allocating weights.

    They depend on the image `shape` in one case: above 64 pixels a VGG has three linear layers.
    """
    with torch.device("meta"):
        return tuple(tunable_layers(build_model(arch, shape, 10)))


def default_layer(arch: str) -> str:
    """The last block's first convolution, or what comes nearest to it (see `ArchitectureEntry`)."""
    return ARCHITECTURES[arch].layer
