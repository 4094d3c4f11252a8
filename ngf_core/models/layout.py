"""The order in memory of a network's images and weights.

On processors with AVX2, torch 2.13 writes beyond its memory in the gradient by the weights of a
1 × 1 convolution that has a stride and fewer than 8 input channels, where channels come last: the
process ends, or its numbers are wrong. Of the networks here none has such a convolution; one that
a user brings may.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

FEWEST = 8  # input channels of a strided 1 × 1 convolution whose gradient is safe in any order


def layout(model: nn.Module, device: torch.device) -> torch.memory_format:
    """Channels last, in which convolutions are fastest; contiguous for a network on a processor in
    which that is not safe."""
    unsafe = device.type == "cpu" and any(map(_is_narrow, model.modules()))
    return torch.contiguous_format if unsafe else torch.channels_last


@contextmanager
def in_safe_order(model: nn.Module) -> Iterator[None]:
    """Within, the narrow convolutions of a model take their images in the order that is safe,
    whatever the order of those that the model is given. Their weights are put into it too, and
    stay so."""
    narrow = [part for part in model.modules() if _is_narrow(part)]
    for part in narrow:
        weight = part.weight  # of size (out, in, 1, 1), which is contiguous in either order
        weight.data = weight.data.flatten(1)[:, :, None, None]
    hooks = [part.register_forward_pre_hook(_contiguous, with_kwargs=True) for part in narrow]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _is_narrow(part: nn.Module) -> TypeGuard[nn.Conv2d]:
    return (isinstance(part, nn.Conv2d) and part.kernel_size == (1, 1) and max(part.stride) > 1
            and part.in_channels < FEWEST)


def _contiguous(part: nn.Module, given: tuple[Any, ...], named: dict[str, Any]
                ) -> tuple[tuple[Any, ...], dict[str, Any]]:
    def ordered(value: Any) -> Any:
        return value.contiguous() if isinstance(value, Tensor) else value

    return tuple(map(ordered, given)), {name: ordered(value) for name, value in named.items()}
