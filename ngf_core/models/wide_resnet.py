"""Wide residual networks (Zagoruyko and Komodakis 2016, arXiv 1605.07146).

WRN-d-k is a pre-activation network of three stages with (d - 4) / 6 basic blocks each, 16, 32 and
64 channels times k; its stem has 16 channels whatever k is. No dropout.
"""

from torch import nn

from ngf_core.models.preact_resnet import PreActResNet

DEPTH_AND_WIDTH = {"wide_resnet16_1": (16, 1), "wide_resnet28_10": (28, 10)}


def build(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network called `name` for images of `shape` (C, H, W)."""
    depth, k = DEPTH_AND_WIDTH[name]
    return PreActResNet((16, 16 * k, 32 * k, 64 * k), ((depth - 4) // 6,) * 3, shape, classes)
