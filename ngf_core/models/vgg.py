"""VGG with BatchNorm (Simonyan and Zisserman 2014, arXiv 1409.1556): torchvision's, with its names.

For images of more than 64 pixels the head is the published one, three linear layers with 120
million parameters; for small ones average pooling and one linear layer, as is usual on CIFAR.
`mini_vgg` has six convolutions of 16 to 64 channels, 73 thousand parameters, and the small head.
"""

from contextlib import nullcontext

import torch
from torch import Tensor, nn

from ngf_core.data.torchvision_guard import torchvision
from ngf_core.models.image_size import small
from ngf_core.models.normalise import Normalise

# Channels of each convolution, M for a pooling; A and E are the paper's columns.
LAYERS = {
    "mini_vgg": [16, 16, "M", 32, 32, "M", 64, 64, "M"],
    "vgg11_bn": torchvision.models.vgg.cfgs["A"],
    "vgg19_bn": torchvision.models.vgg.cfgs["E"],
}


class VGG(torchvision.models.VGG):
    """torchvision's VGG behind `Normalise`, for any channel count and image size."""

    def __init__(self, layers: list[int | str], shape: tuple[int, int, int], classes: int,
                 published_head: bool) -> None:
        features = torchvision.models.vgg.make_layers(layers, batch_norm=True)
        widths = [width for width in layers if isinstance(width, int)]
        features[0] = nn.Conv2d(shape[0], widths[0], 3, padding=1)
        # A head that will be replaced is not initialised, which would fill 120 million numbers.
        with nullcontext() if published_head else torch.device("meta"):
            super().__init__(features, classes, dropout=0.0)
        self.normalise = Normalise()
        if not published_head:
            self.avgpool = nn.AdaptiveAvgPool2d(1)
            self.classifier = nn.Linear(widths[-1], classes)
        for module in self.modules():
            if isinstance(module, nn.MaxPool2d):
                module.ceil_mode = True  # five halvings of 28 pixels would leave none
            elif isinstance(module, nn.ReLU):
                module.inplace = False  # in place it would overwrite outputs that NGF records

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.normalise(x))


def build(name: str, shape: tuple[int, int, int], classes: int) -> nn.Module:
    """The network called `name` for images of `shape` (C, H, W)."""
    return VGG(LAYERS[name], shape, classes, not small(shape) and name != "mini_vgg")
