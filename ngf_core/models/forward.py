"""Whether a layer computes what torch's own layer of its kind computes."""

from torch import nn


def runs_as(layer: nn.Module, kind: type[nn.Linear] | type[nn.Conv2d]) -> bool:
    """Whether `layer` maps its input as `kind` does, by a weight and bias that are its parameters.

    Not so where a subclass or an instance has a forward pass of its own (standardised weights, a
    cosine head), where the weight is computed from other parameters (weight normalisation,
    parametrisations), or where a forward hook may change the output.
    """
    same = all(getattr(type(layer), name, None) is getattr(kind, name, None)
               and name not in vars(layer) for name in ("forward", "_conv_forward"))
    plain = {name for name, _ in layer.named_parameters()} in ({"weight"}, {"weight", "bias"})
    return isinstance(layer, kind) and same and plain and not layer._forward_hooks
