"""torchvision's classification networks, found by their names among all that it builds.

A residual network with a 3x3 stem is taken as the usual variant for small images: stride 1 and no
pooling after the stem. GoogLeNet and Inception, which answer with several outputs in training, and
RegNet, which cannot be built without values, are left out.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from ngf_core.data.torchvision_guard import torchvision
from ngf_core.imports.networks.network import Hints, Network, Shapes, alike, misfits
from ngf_core.models.build import last_layer

LEFT_OUT = ("googlenet", "inception", "regnet")
ANY = 7  # classes of a network that is only built for its names


def network(shapes: Shapes, hints: Hints) -> Network | None:
    """The network whose tensors are most like these; the widths tell those of one family apart."""
    wrong = {name: len(misfits(shapes, outline.shapes)) for name, outline in _outlines().items()
             if alike(shapes, outline.shapes)}
    best = min(wrong, key=wrong.__getitem__, default=None)
    return None if best is None else _made(best, shapes)


@dataclass(frozen=True)
class Outline:
    """A network's tensors with ANY classes, and its last layer by the module: a file need not hold
    its tensors in the layers' order."""

    shapes: Shapes
    last: str


@lru_cache
def _outlines() -> dict[str, Outline]:
    """Every network of torchvision in outline; takes some seconds the first time."""
    with torch.device("meta"):
        return {name: _outline(_build(name, ANY))
                for name in torchvision.models.list_models(module=torchvision.models)
                if not name.startswith(LEFT_OUT)}


def _outline(module: nn.Module) -> Outline:
    return Outline({key: tuple(value.shape) for key, value in module.state_dict().items()},
                   last_layer(module))


def _build(name: str, classes: int, **options: Any) -> nn.Module:
    made: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes,
                                                   **options)
    return made


def _made(name: str, shapes: Shapes) -> Network:
    classes = shapes.get(f"{_outlines()[name].last}.weight", (ANY,))[0]
    side, options, assumed = 0, {}, []
    if name.startswith("vit_"):
        patch = shapes["conv_proj.weight"][-1]
        side = patch * math.isqrt(shapes["encoder.pos_embedding"][1] - 1)
        options = {"image_size": side}
    made = _build(name, classes, **options)
    stem_name = next(key for key, module in made.named_modules() if isinstance(module, nn.Conv2d))
    stem = made.get_submodule(stem_name)
    shape = shapes.get(f"{stem_name}.weight")
    assert isinstance(stem, nn.Conv2d)
    if shape is not None and len(shape) == 4 and shape != tuple(stem.weight.shape):
        small = shape[2] == 3 and stem.kernel_size == (7, 7)
        stride, padding = ((1, 1), (1, 1)) if small else (stem.stride, stem.padding)
        fresh = nn.Conv2d(shape[1], shape[0], shape[2:], stride, padding,  # type: ignore[arg-type]
                          bias=stem.bias is not None)
        made.set_submodule(stem_name, fresh)
        if small:
            made.maxpool = nn.Identity()
            assumed.append("a 3x3 stem of stride 1 without pooling, as is usual for small images: "
                           "shapes do not tell")
    return Network(f"torchvision's {name}", made, side, tuple(assumed))
