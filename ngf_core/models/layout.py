"""The order in memory of a network's images and weights."""

import torch
from torch import nn

FEWEST = 8  # input channels of a strided 1 × 1 convolution whose gradient is safe, see `layout`


def layout(model: nn.Module, device: torch.device) -> torch.memory_format:
    """Channels last, in which convolutions are fastest; contiguous for a network in which that is
    not safe.

    On processors with AVX2, torch 2.13 writes beyond its memory in the gradient by the weights of a
    1 × 1 convolution that has a stride and fewer than 8 input channels, in the order of channels
    last: the process ends, or its numbers are wrong.
    """
    narrow = device.type == "cpu" and any(
        isinstance(part, nn.Conv2d) and part.kernel_size == (1, 1) and max(part.stride) > 1
        and part.in_channels < FEWEST for part in model.modules())
    return torch.contiguous_format if narrow else torch.channels_last
