"""Operations that torch cannot differentiate forward twice, written in those that it can.

torch 2 silently gives a wrong second derivative for layer and instance normalisation (their forward
rule treats mean and variance as constants) and none for the others here.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class ForwardTwice(TorchFunctionMode):
    """Within it the operations of this file consist of elementary ones: the same numbers."""

    def __torch_function__(self, function: Callable[..., Any], types: Any,
                           args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        spelt: Any = _SPELT.get(function, function)
        return spelt(*args, **(kwargs or {}))


def _standardised(x: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
    centred = x - x.mean(axes, keepdim=True)
    return centred * (centred.square().mean(axes, keepdim=True) + eps).rsqrt()


def _layer_norm(input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None,
                bias: Tensor | None = None, eps: float = 1e-5, *_: Any) -> Tensor:
    y = _standardised(input, tuple(range(-len(normalized_shape), 0)), eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def _instance_norm(input: Tensor, running_mean: Tensor | None = None,
                   running_var: Tensor | None = None, weight: Tensor | None = None,
                   bias: Tensor | None = None, use_input_stats: bool = True,
                   momentum: float = 0.1, eps: float = 1e-5) -> Tensor:
    if not use_input_stats:
        return functional.batch_norm(input, running_mean, running_var, weight, bias, False,
                                     momentum, eps)
    y = _standardised(input, tuple(range(2, input.ndim)), eps)
    channels = (-1, *[1] * (input.ndim - 2))
    y = y if weight is None else y * weight.view(channels)
    return y if bias is None else y + bias.view(channels)


def _silu(input: Tensor, inplace: bool = False) -> Tensor:
    return input * input.sigmoid()


def _mish(input: Tensor, inplace: bool = False) -> Tensor:
    return input * functional.softplus(input).tanh()


def _glu(input: Tensor, dim: int = -1) -> Tensor:
    value, gate = input.chunk(2, dim)
    return value * gate.sigmoid()


_SPELT: dict[Callable[..., Any], Callable[..., Tensor]] = {
    functional.layer_norm: _layer_norm, torch.layer_norm: _layer_norm,
    functional.instance_norm: _instance_norm, functional.silu: _silu,
    functional.mish: _mish, functional.glu: _glu}
