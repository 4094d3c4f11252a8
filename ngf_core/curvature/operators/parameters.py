"""The parameters of a network that a curvature matrix covers."""

from collections.abc import Sequence

from torch import nn

from ngf_core.errors import ConfigError
from ngf_core.models.answers import uncompiled


def layer_parameters(model: nn.Module, layer: str) -> list[str]:
    """The names of all parameters of the module called `layer`, for the operators' `parameters`.

    Raises ConfigError where there is no such module or it has no parameters.
    """
    modules = dict(uncompiled(model).named_modules())
    owners = [name for name, module in modules.items()
              if name and next(module.parameters(), None) is not None]
    if layer not in owners:
        raise ConfigError("layer", f"this network has no layer {layer!r} with parameters",
                          f"Choose among {', '.join(owners)}.")
    return [f"{layer}.{name}" for name, _ in modules[layer].named_parameters()]


def choose(model: nn.Module, names: Sequence[str] | None) -> dict[str, nn.Parameter]:
    """The named parameters, or all trainable ones, in the model's order.

    Afterwards they, and no others, require gradients. A tied weight is one parameter under the
    first of its names, and can be chosen by any of them.
    """
    everything = dict(model.named_parameters(remove_duplicate=False))
    if names is None:
        names = [name for name, p in everything.items() if p.requires_grad]
    if isinstance(names, str):
        names = [names]
    if not names:
        raise ConfigError("parameters", "none is chosen, or all are frozen",
                          "Name at least one parameter or unfreeze some.")
    for name in names:
        if name not in everything:
            raise ConfigError("parameters", f"this network has no parameter {name!r}",
                              f"Choose among {', '.join(everything)}.")
    wanted = {id(everything[name]) for name in names}
    for p in model.parameters():
        p.requires_grad_(id(p) in wanted)
    return {name: p for name, p in model.named_parameters() if id(p) in wanted}
