"""Pre-activation residual networks (He et al. 2016, arXiv 1603.05027) for small images.

`preact_resnet18` is the network of the NGF paper: width 64, four stages of two basic blocks,
11.2 million parameters. `mini_preact_resnet` has width 16 and three stages of one block, 78
thousand parameters, and trains on two processor cores in about a minute.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.models.normalise import Normalise

STAGES = {
    "mini_preact_resnet": (16, (1, 1, 1)),
    "preact_resnet18": (64, (2, 2, 2, 2)),
}


class PreActBlock(nn.Module):
    """BN-ReLU-conv-BN-ReLU-conv plus the shortcut (a 1x1 convolution where the shape changes)."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        changes = stride != 1 or channels_in != channels
        self.shortcut = nn.Conv2d(channels_in, channels, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.bn1(x))
        skip = x if self.shortcut is None else self.shortcut(active)
        return self.conv2(F.relu(self.bn2(self.conv1(active)))) + skip


class PreActResNet(nn.Module):
    """Stem convolution, stages of pre-activation blocks, average pooling, one linear layer."""

    def __init__(self, width: int, stages: tuple[int, ...], channels: int, classes: int) -> None:
        super().__init__()
        self.normalise = Normalise()
        self.stem = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        blocks, wide_in = [], width
        for stage, count in enumerate(stages):
            wide = width * 2**stage
            for i in range(count):
                blocks.append(PreActBlock(wide_in, wide, 2 if stage and not i else 1))
                wide_in = wide
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(wide_in)
        self.linear = nn.Linear(wide_in, classes)

    def forward(self, x: Tensor) -> Tensor:
        features = F.relu(self.bn(self.blocks(self.stem(self.normalise(x)))))
        return self.linear(F.adaptive_avg_pool2d(features, 1).flatten(1))


def build(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network called `name` for images of `shape` (C, H, W)."""
    width, stages = STAGES[name]
    return PreActResNet(width, stages, shape[0], classes)
