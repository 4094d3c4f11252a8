"""The first layer of every model: pixels in, centred numbers out."""

import torch
from torch import Tensor, nn

from ngf_core.data.floats import as_floats


class Normalise(nn.Module):
    """(x - 1/2) / (1/4) for x in [0, 1]; uint8 images are divided by 255 first.

    Fixed constants rather than a data set's own mean: the first BatchNorm removes the
    difference, and a trigger means the same on every data set.
    """

    def forward(self, x: Tensor) -> Tensor:
        return (as_floats(x, torch.get_default_dtype()) - 0.5) * 4
