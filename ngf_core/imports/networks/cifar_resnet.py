"""Residual networks of basic blocks (He et al. 2015, arXiv 1512.03385), named as in CIFAR code.

conv1 (3x3), bn1, layer1 to layer4 of blocks (conv1, bn1, conv2, bn2, shortcut.0 and .1), linear: no
pooling after the stem. Any width and number of blocks.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.imports.networks.network import Hints, Network, Shapes, staged, stages


class Block(nn.Module):
    """conv-BN-ReLU-conv-BN plus the shortcut, then ReLU."""

    def __init__(self, channels_in: int, channels: int, stride: int, shortcut: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential(
            nn.Conv2d(channels_in, channels, 1, stride, bias=False),
            nn.BatchNorm2d(channels)) if shortcut else nn.Sequential()

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(inner + self.shortcut(x))


class ResNet(nn.Module):
    """Stem, stages (the later ones with stride 2), pooling, one linear layer."""

    def __init__(self, shapes: Shapes, counts: list[int]) -> None:
        super().__init__()
        wide, channels, *_ = shapes["conv1.weight"]
        self.conv1 = nn.Conv2d(channels, wide, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.stages = len(counts)
        parts, wide = staged(Block, shapes, counts, wide)
        for stage, part in enumerate(parts, 1):
            setattr(self, f"layer{stage}", part)
        self.linear = nn.Linear(wide, shapes["linear.weight"][0])

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        for stage in range(1, self.stages + 1):
            x = getattr(self, f"layer{stage}")(x)
        return self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))


def network(shapes: Shapes, hints: Hints) -> Network | None:
    """The network, where conv1, bn1, basic blocks and linear are there."""
    counts = stages(shapes, "layer")
    if not counts or "layer1.0.conv3.weight" in shapes or not {
            "conv1.weight", "bn1.weight", "linear.weight", "layer1.0.conv2.weight"
            } <= shapes.keys():
        return None
    depth = 2 + 2 * sum(counts)
    width = shapes["conv1.weight"][0]
    return Network(f"ResNet-{depth} for small images, width {width}", ResNet(shapes, counts))
