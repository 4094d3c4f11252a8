"""NGF Lab's own networks, as `ngf export` and its run directories hold them."""

from torch import nn

from ngf_core.imports.networks.network import Hints, Network, Shapes
from ngf_core.models import ARCHITECTURES
from ngf_core.models.build import build_model

# Images of these sides make every variant that an architecture has.
SIDES = (32, 64, 224)


def network(shapes: Shapes, hints: Hints) -> Network | None:
    """The first architecture, in the order of ARCHITECTURES, that has tensors of these shapes."""
    channels, classes = hints.channels or _first(shapes), hints.classes or _last(shapes)
    for name in ARCHITECTURES:
        for side in SIDES:
            made = build_model(name, (channels, side, side), classes)
            if {key: tuple(value.shape) for key, value in made.state_dict().items()} == shapes:
                made.normalise = nn.Identity()  # the pixels are normalised before
                only = side if hasattr(made, "positions") else 0
                return Network(ARCHITECTURES[name].title, made, only)
    return None


def _first(shapes: Shapes) -> int:
    return next((shape[1] for shape in shapes.values() if len(shape) == 4), 3)


def _last(shapes: Shapes) -> int:
    return next((shape[0] for shape in reversed(list(shapes.values())) if len(shape) == 2), 1)
