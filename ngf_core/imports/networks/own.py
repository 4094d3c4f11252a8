"""NGF Lab's own networks, as `ngf export` and its run directories hold them."""

import torch
from torch import nn

from ngf_core.imports.networks.network import Hints, Network, Shapes
from ngf_core.models import ARCHITECTURES
from ngf_core.models.build import build_model, tunable_layers

# Images of these sides make every variant that an architecture has.
SIDES = (32, 64, 224)


def network(shapes: Shapes, hints: Hints) -> Network | None:
    """The first architecture, in the order of ARCHITECTURES, that has tensors of these shapes."""
    for name in ARCHITECTURES:
        for side in SIDES:
            with torch.device("meta"):
                layers = list(tunable_layers(build_model(name, (3, side, side), 2)))
            first, last = (shapes.get(f"{layer}.weight", ()) for layer in (layers[0], layers[-1]))
            if len(first) != 4 or len(last) != 2:
                continue
            made = build_model(name, (first[1], side, side), last[0])
            if {key: tuple(value.shape) for key, value in made.state_dict().items()} == shapes:
                made.normalise = nn.Identity()  # the pixels are normalised before
                only = side if hasattr(made, "positions") else 0
                return Network(ARCHITECTURES[name].title, made, only)
    return None
