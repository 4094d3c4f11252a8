"""Pre-activation residual networks of basic blocks (He et al. 2016, arXiv 1603.05027).

`preact_resnet18` is the network of the NGF paper: width 64, four stages of two basic blocks,
11.2 million parameters; `preact_resnet34` has 3, 4, 6 and 3 blocks. `preact_resnet18_w32` and
`preact_resnet18_w16` keep its depth and have a half and a quarter of its width (2.8 and 0.7 million
parameters), so that it can be studied on two processor cores. `mini_preact_resnet` has width 16 and
three stages of one block, 78 thousand parameters, and trains on them in about a minute.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.models.image_size import small
from ngf_core.models.normalise import Normalise

STAGES = {
    "mini_preact_resnet": (16, (1, 1, 1)),
    "preact_resnet18_w16": (16, (2, 2, 2, 2)),
    "preact_resnet18_w32": (32, (2, 2, 2, 2)),
    "preact_resnet18": (64, (2, 2, 2, 2)),
    "preact_resnet34": (64, (3, 4, 6, 3)),
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
    """Stem convolution, stages of pre-activation blocks, average pooling, one linear layer.

    `widths` are the channels of the stem and of each stage, `counts` the blocks of each stage.
    The stem is a 3x3 convolution; for images of more than 64 pixels 7x7 with stride 2 and a pooling
    of stride 2, as He et al. have it for ImageNet.
    """

    def __init__(self, widths: tuple[int, ...], counts: tuple[int, ...],
                 shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        wide, *wider = widths
        kernel = (3, 1, 1) if small(shape) else (7, 2, 3)
        self.normalise = Normalise()
        self.stem = nn.Conv2d(shape[0], wide, *kernel, bias=False)
        self.pool = nn.Identity() if small(shape) else nn.MaxPool2d(3, 2, 1)
        blocks = []
        for stage, (channels, count) in enumerate(zip(wider, counts, strict=True)):
            for i in range(count):
                blocks.append(PreActBlock(wide, channels, 2 if stage and not i else 1))
                wide = channels
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(wide)
        self.linear = nn.Linear(wide, classes)

    def forward(self, x: Tensor) -> Tensor:
        features = F.relu(self.bn(self.blocks(self.pool(self.stem(self.normalise(x))))))
        return self.linear(F.adaptive_avg_pool2d(features, 1).flatten(1))


def build(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network called `name` for images of `shape` (C, H, W)."""
    width, counts = STAGES[name]
    widths = (width, *(width * 2**stage for stage in range(len(counts))))
    return PreActResNet(widths, counts, shape, classes)
