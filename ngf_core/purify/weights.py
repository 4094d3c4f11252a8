"""The parameters that are tuned, as one vector."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def flat(parameters: Sequence[Tensor]) -> Tensor:
    """A copy of the parameters as one vector (P,), in any memory format."""
    return torch.cat([p.detach().reshape(-1) for p in parameters])


def assign(parameters: Sequence[Tensor], vector: Tensor) -> None:
    """Write a vector made by `flat` back."""
    with torch.no_grad():
        parts = vector.split([p.numel() for p in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.copy_(part.view(parameter.shape))


def only_trainable(model: nn.Module, parameters: list[nn.Parameter]) -> None:
    """Eval mode, gradients for `parameters` alone (autograd then stops at the earliest of them)."""
    model.eval().requires_grad_(False)
    for parameter in parameters:
        parameter.requires_grad_(True)
