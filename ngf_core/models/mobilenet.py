"""MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381): torchvision's, with its names.

For images of up to 64 pixels stem and second stage have stride 1, so that three halvings are left
of five. `mini_mobilenet` has four stages of one block, 123 thousand parameters.
"""

from torch import Tensor, nn

from ngf_core.data.torchvision_guard import torchvision
from ngf_core.models.image_size import small
from ngf_core.models.normalise import Normalise

# Expansion, channels, blocks and first stride of each stage (table 2 of the paper).
STAGES = {
    "mini_mobilenet": [[1, 16, 1, 1], [4, 24, 1, 2], [4, 32, 1, 2], [4, 64, 1, 2]],
    "mobilenet_v2": [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1],
                     [6, 160, 3, 2], [6, 320, 1, 1]],
}


class MobileNetV2(torchvision.models.MobileNetV2):
    """torchvision's MobileNetV2 behind `Normalise`, for any channel count and image size."""

    def __init__(self, stages: list[list[int]], shape: tuple[int, int, int], classes: int) -> None:
        stem_stride = 1 if small(shape) else 2
        if small(shape):
            first, second, *others = stages
            stages = [first, [*second[:3], 1], *others]
        super().__init__(classes, inverted_residual_setting=stages, dropout=0.0)
        self.normalise = Normalise()
        stem = nn.Conv2d(shape[0], 32, 3, stem_stride, 1, bias=False)
        nn.init.kaiming_normal_(stem.weight, mode="fan_out")
        self.features[0][0] = stem

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.normalise(x))


def build(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network called `name` for images of `shape` (C, H, W)."""
    return MobileNetV2(STAGES[name], shape, classes)
