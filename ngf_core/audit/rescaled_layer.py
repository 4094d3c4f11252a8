"""The same function at other weights: a layer rescaled against the BatchNorm behind it.

A layer's weights and bias times c, and the mean, variance and epsilon of the BatchNorm behind it
times c, c^2 and c^2, give the same output for every image. The Hessian's eigenvalues change, so a
network can be made to look flat or sharp at will (Dinh, Pascanu, S. Bengio, Y. Bengio, ICML 2017).
"""

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd


def before_batch_norm(model: nn.Module, x: Tensor) -> Iterator[tuple[str, str]]:
    """(layer, BatchNorm) by name where the layer's output for images x is what the BatchNorm takes.

    Only BatchNorms with running statistics, as they are used in evaluation.
    """
    outputs: dict[int, tuple[str, Tensor]] = {}
    found: list[tuple[str, str]] = []

    def gave(name: str) -> object:
        def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
            outputs[id(output)] = (name, output)  # kept alive, so that no other has its id
        return hook

    def takes(name: str) -> object:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            layer, output = outputs.get(id(inputs[0]), ("", None))
            if output is inputs[0]:
                found.append((layer, name))
        return hook

    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | _ConvNd):
            hooks.append(module.register_forward_hook(gave(name)))  # type: ignore[arg-type]
        elif isinstance(module, _BatchNorm) and module.running_mean is not None:
            hooks.append(module.register_forward_pre_hook(takes(name)))  # type: ignore[arg-type]
    try:
        with torch.no_grad():
            model(x)
    finally:
        for hook in hooks:
            hook.remove()
    yield from found


def rescaled(model: nn.Module, layer: str, norm: str, factor: float) -> nn.Module:
    """A copy whose `layer` is `factor` > 0 times as large, and whose BatchNorm `norm` undoes it."""
    changed = copy.deepcopy(model)
    large, behind = changed.get_submodule(layer), changed.get_submodule(norm)
    assert isinstance(behind, _BatchNorm)
    assert behind.running_mean is not None and behind.running_var is not None
    with torch.no_grad():
        for parameter in large.parameters(recurse=False):
            parameter.mul_(factor)
        behind.running_mean.mul_(factor)
        behind.running_var.mul_(factor**2)
    behind.eps *= factor**2
    return changed
