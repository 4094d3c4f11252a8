"""Masks and perturbations on the channels of a network, which itself stays as it is.

Channel k of a layer is w_k * x + b_k; a mask or a perturbation multiplies w_k and b_k. In a network
with BatchNorm the layers are its BatchNorms (w = gamma, b = beta), which scales a channel of the
convolution before them; in one without, all convolutions and linear layers but the last, with w_k
the weights into channel k. The scaled network is run through `torch.func.functional_call`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from ngf_core.errors import ConfigError
from ngf_core.models.build import tunable_layers

Scaled = _BatchNorm | nn.Conv2d | nn.Linear


@dataclass(frozen=True)
class Channels:
    """The channels of `layers` (by name in `model`), numbered from 0 in the layers' order."""

    model: nn.Module
    layers: Mapping[str, Scaled]

    def __len__(self) -> int:
        return sum(self.sizes)

    @property
    def sizes(self) -> list[int]:
        """Channels of each layer."""
        return [len(layer.weight) for layer in self.layers.values()]

    def outputs(self, x: Tensor, weights: Tensor, biases: Tensor | None = None) -> Tensor:
        """Logits with w_k multiplied by weights[k] and b_k by biases[k], both (channels,)."""
        scaled = {}
        for suffix, factors in (("weight", weights), ("bias", biases)):
            if factors is None:
                continue
            for (name, layer), part in zip(self.layers.items(), factors.split(self.sizes),
                                           strict=True):
                values = getattr(layer, suffix)
                if values is not None:
                    shape = (-1, *[1] * (values.ndim - 1))
                    scaled[f"{name}.{suffix}"] = values.detach() * part.view(shape)
        logits: Tensor = functional_call(self.model, scaled, (x,))
        return logits

    def ones(self) -> Tensor:
        """A mask that leaves everything as it is, (channels,)."""
        weight = next(iter(self.layers.values())).weight
        return torch.ones(len(self), dtype=weight.dtype, device=weight.device)

    def without(self, chosen: Tensor) -> Tensor:
        """The mask that cuts the channels numbered `chosen`."""
        return self.ones().index_fill(0, chosen, 0)

    def cut(self, chosen: Tensor) -> None:
        """Set w_k to zero in the model; b_k stays, as the masks that were learned left it."""
        with torch.no_grad():
            parts = self.without(chosen).split(self.sizes)
            for layer, part in zip(self.layers.values(), parts, strict=True):
                layer.weight[part == 0] = 0

    def named(self, chosen: Tensor) -> dict[str, list[int]]:
        """{layer: channels} of the channels numbered `chosen`, ascending."""
        parts = self.without(chosen).split(self.sizes)
        return {name: (part == 0).nonzero().flatten().tolist()
                for name, part in zip(self.layers, parts, strict=True) if not part.all()}


def channels_of(model: nn.Module, method: str) -> Channels:
    """The channels that masks act on; ConfigError, naming `method`, where there are none."""
    layers: dict[str, Scaled] = {name: m for name, m in model.named_modules()
                                 if isinstance(m, _BatchNorm) and m.weight is not None}
    if not layers:
        layers = dict(list(tunable_layers(model).items())[:-1])
    if not layers:
        raise ConfigError("methods", f"{method} masks channels inside a network, and this one has "
                          "a single layer", "Use finetune.")
    return Channels(model, layers)
