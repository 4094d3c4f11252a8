"""Building a model by name, and the layers of it that can be tuned."""

from functools import lru_cache

import torch
from torch import nn

from ngf_core.errors import ConfigError
from ngf_core.models import ARCHITECTURES
from ngf_core.models.layer_names import LAST, named_layers


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

    NGF can tune each of them. In the architectures here each runs once in a forward pass, as torch
    runs it, which is what `ngf_core.fisher.per_sample` is fast for.
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
    """The layers that `text` names (see `named_layers`), by name, from input to output.

    Only convolutions and linear layers count: a BatchNorm inside a block, or between two tuned
    layers, keeps its weights. Raises ConfigError for a text that names none.
    """
    layers = tunable_layers(model)
    return {name: layers[name] for name in named_layers(tuple(layers), text)}


@lru_cache
def tunable_layer_names(arch: str, shape: tuple[int, int, int] = (3, 32, 32)) -> tuple[str, ...]:
    """The names that `tunable_layers` returns for this architecture, without allocating weights.

    They depend on the image `shape` in one case: above 64 pixels a VGG has three linear layers.
    """
    with torch.device("meta"):
        return tuple(tunable_layers(build_model(arch, shape, 10)))


def last_layer(model: nn.Module) -> str:
    """The name of the layer that returns the logits, which is tuned unless another is named.

    Raises ConfigError where the network has no layer that can be tuned.
    """
    return named_layers(tuple(tunable_layers(model)), LAST)[0]


def multiply_adds_of(model: nn.Module, x: torch.Tensor) -> float:
    """Multiply-adds of one image's forward pass through convolutions and linear layers; x is that
    image, (1, C, H, W)."""
    total = 0.0

    def count(layer: nn.Module, _: tuple, out: torch.Tensor) -> None:
        nonlocal total
        total += layer.get_parameter("weight")[0].numel() * out.numel()

    hooks = [layer.register_forward_hook(count) for layer in tunable_layers(model).values()]
    try:
        with torch.no_grad():
            model(x)
    finally:
        for hook in hooks:
            hook.remove()
    return total
