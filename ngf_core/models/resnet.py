"""Residual networks (He et al. 2015, arXiv 1512.03385): torchvision's, with its names.

Images of up to 64 pixels get a 3x3 stem of stride 1 without pooling. `mini_resnet` has width 16
and four stages of one basic block, 0.3 million parameters.
"""

from typing import Any

from torch import Tensor, nn

from ngf_core.data.torchvision_guard import torchvision
from ngf_core.models.image_size import small
from ngf_core.models.normalise import Normalise

BASIC, BOTTLENECK = torchvision.models.resnet.BasicBlock, torchvision.models.resnet.Bottleneck
STAGES = {
    "mini_resnet": (16, BASIC, (1, 1, 1, 1)),
    "resnet18": (64, BASIC, (2, 2, 2, 2)),
    "resnet34": (64, BASIC, (3, 4, 6, 3)),
    "resnet50": (64, BOTTLENECK, (3, 4, 6, 3)),
}


class ResNet(torchvision.models.ResNet):
    """torchvision's ResNet behind `Normalise`, for any width, channel count and image size."""

    def __init__(self, width: int, block: type[Any], counts: tuple[int, ...],
                 shape: tuple[int, int, int], classes: int) -> None:
        self.width = width
        super().__init__(block, list(counts), classes)
        self.normalise = Normalise()
        kernel = (3, 1, 1) if small(shape) else (7, 2, 3)
        self.conv1 = nn.Conv2d(shape[0], width, *kernel, bias=False)
        nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
        self.bn1 = nn.BatchNorm2d(width)
        if small(shape):
            self.maxpool = nn.Identity()
        self.fc = nn.Linear(8 * width * block.expansion, classes)

    def _make_layer(self, block: type[Any], planes: int, *args: Any, **options: Any
                    ) -> nn.Sequential:
        # torchvision requests 64, 128, 256 and 512 channels, the first after a stem of 64.
        if planes == 64:
            self.inplanes = self.width
        return super()._make_layer(block, planes * self.width // 64, *args, **options)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.normalise(x))


def build(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network called `name` for images of `shape` (C, H, W)."""
    return ResNet(*STAGES[name], shape, classes)
