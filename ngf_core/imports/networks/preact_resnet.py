"""Pre-activation residual networks (He et al. 2016, arXiv 1603.05027) with BackdoorBench's names.

conv1, layer1 to layer4 of blocks (bn1, conv1, bn2, conv2, shortcut.0), linear; a `bn` before the
pooling, as other code has it, is recognised too. Any width and number of blocks.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.imports.networks.network import Hints, Network, Shapes, staged, stages


class Block(nn.Module):
    """BN-ReLU-conv-BN-ReLU-conv plus the shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int, shortcut: bool) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.shortcut = nn.Sequential(
            nn.Conv2d(channels_in, channels, 1, stride, bias=False)) if shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.bn1(x))
        skip = x if self.shortcut is None else self.shortcut(active)
        return self.conv2(F.relu(self.bn2(self.conv1(active)))) + skip


class PreActResNet(nn.Module):
    """A 3x3 convolution, stages (the later ones with stride 2), pooling, one linear layer."""

    def __init__(self, shapes: Shapes, counts: list[int]) -> None:
        super().__init__()
        wide, channels, *_ = shapes["conv1.weight"]
        self.conv1 = nn.Conv2d(channels, wide, 3, 1, 1, bias=False)
        self.stages = len(counts)
        parts, wide = staged(Block, shapes, counts, wide)
        for stage, part in enumerate(parts, 1):
            setattr(self, f"layer{stage}", part)
        self.bn = nn.BatchNorm2d(wide) if "bn.weight" in shapes else None
        self.linear = nn.Linear(wide, shapes["linear.weight"][0])

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        for stage in range(1, self.stages + 1):
            x = getattr(self, f"layer{stage}")(x)
        if self.bn is not None:
            x = F.relu(self.bn(x))
        return self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))


def network(shapes: Shapes, hints: Hints) -> Network | None:
    """The network, where conv1, blocks that begin with bn1 and no bn1 of its own are there."""
    counts = stages(shapes, "layer")
    if not counts or "bn1.weight" in shapes or "layer1.0.bn3.weight" in shapes or not {
            "conv1.weight", "linear.weight", "layer1.0.bn1.weight"} <= shapes.keys():
        return None
    depth = 2 + 2 * sum(counts)
    width = shapes["conv1.weight"][0]
    return Network(f"PreAct-ResNet-{depth}, width {width}", PreActResNet(shapes, counts))
