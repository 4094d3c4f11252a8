"""What a model makes of images on the way to its answer, read off one forward pass."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ngf_core.data.floats import as_floats
from ngf_core.errors import ConfigError
from ngf_core.models.build import tunable_layer, tunable_layers

PART = 250


@dataclass(frozen=True)
class Seen:
    """n images in one model.

    answers: its labels, (n,). features: the input of its last linear layer, (n, d). channels: the
    output of one layer, averaged over the positions of each image, (n, c).
    """

    answers: NDArray[np.int64]
    features: NDArray[np.float32]
    channels: NDArray[np.float32]


@contextmanager
def at_rest(model: nn.Module) -> Iterator[torch.device]:
    """Within, the model is in eval mode and on the device that is yielded."""
    training = model.training
    model.eval()
    try:
        yield next(model.parameters()).device
    finally:
        model.train(training)


def layers_run(model: nn.Module, x: Tensor) -> list[str]:
    """The names of the convolutions and linear layers in the order in which they run on images x,
    uint8 (n, C, H, W)."""
    order: list[str] = []
    hooks = [layer.register_forward_hook(lambda *_, name=name: order.append(name))
             for name, layer in tunable_layers(model).items()]
    try:
        with at_rest(model) as device, torch.no_grad():
            model(as_floats(x[:1].to(device)))
    finally:
        for hook in hooks:
            hook.remove()
    return order


def last_convolution(model: nn.Module, order: list[str]) -> str:
    """The convolution that runs last; the last layer but one where there are fewer than two
    convolutions (a transformer cuts its patches with one). `order` as of `layers_run`."""
    layers = tunable_layers(model)
    found = [name for name in order if isinstance(layers[name], nn.Conv2d)]
    return found[-1] if len(found) > 1 else order[max(len(order) - 2, 0)]


def see(model: nn.Module, x: Tensor, layer: str = "") -> Seen:
    """Show the images x, uint8 (n, C, H, W), to the model; eval mode, float32, no gradients.

    layer: the convolution or linear layer whose channels are read, "" for the last convolution.
    Raises ConfigError where there is no such layer, where there are no images, and where the last
    layer that runs is not a linear one on vectors, so that it has no features in this sense.
    """
    if not len(x):
        raise ConfigError("images", "there are none", "Give at least one image.")
    order = layers_run(model, x)
    if not order or not isinstance(tunable_layer(model, order[-1]), nn.Linear):
        raise ConfigError("model", "its last layer is not a linear one, so it has no features "
                          "before it", "Use a network that ends in a linear layer.")
    head, read = order[-1], layer or last_convolution(model, order)
    parts = [_see(model, part, head, read) for part in x.split(PART)]
    return Seen(*(torch.cat(of).numpy() for of in zip(*parts, strict=True)))


def _see(model: nn.Module, x: Tensor, head: str, read: str) -> tuple[Tensor, Tensor, Tensor]:
    found: dict[str, Tensor] = {}
    hooks = [tunable_layer(model, head).register_forward_pre_hook(
                 lambda _, given: found.update(features=given[0])),
             tunable_layer(model, read).register_forward_hook(
                 lambda layer, _, out: found.update(channels=_over_positions(layer, out)))]
    try:
        with at_rest(model) as device, torch.no_grad():
            images = as_floats(x.to(device, memory_format=torch.channels_last))
            answers = model(images).argmax(1)
    finally:
        for hook in hooks:
            hook.remove()
    if "channels" not in found:
        raise ConfigError("layer", f"{read} does not run on these images", "Name another layer.")
    features = found["features"]
    if features.ndim != 2 or len(features) != len(x):
        raise ConfigError("model", f"its last linear layer is given {tuple(features.shape)}, not "
                          "one vector per image", "Use a network that ends in a linear layer on "
                          "vectors.")
    return answers.cpu(), features.float().cpu(), found["channels"].float().cpu()


def _over_positions(layer: nn.Module, out: Tensor) -> Tensor:
    """(n, c) of a convolution's (n, c, H, W), or of a linear layer's (n, ..., c)."""
    if isinstance(layer, nn.Conv2d):
        return out.flatten(2).mean(2)
    return out.flatten(1, -2).mean(1) if out.ndim > 2 else out
