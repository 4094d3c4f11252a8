"""A network that was trained elsewhere, behind the pixels that it was trained on."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.data.floats import as_floats
from ngf_core.errors import ConfigError

# Means and deviations of pixels in [0, 1]. `cifar10` to `gtsrb` are those of BackdoorBench
# (dataset_and_transform_generate.py), `imagenet` is torchvision's too, `ngf` this package's.
NORMALISATIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "none": ((0.0,), (1.0,)),
    "half": ((0.5,), (0.5,)),
    "ngf": ((0.5,), (0.25,)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "tiny_imagenet": ((0.4802, 0.4481, 0.3975), (0.2302, 0.2265, 0.2262)),
    "mnist": ((0.1307,), (0.3081,)),
}
ORDERS = ("rgb", "bgr")


def normalisation(text: str, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel: those of a name in NORMALISATIONS, or the numbers given
    as "mean,mean,mean/deviation,deviation,deviation".

    Raises ConfigError for anything else, and for another number of channels.
    """
    if text in NORMALISATIONS:
        mean, deviation = NORMALISATIONS[text]
    else:
        try:
            means, deviations = text.split("/")
            mean, deviation = (tuple(float(part) for part in side.split(","))
                               for side in (means, deviations))
        except ValueError:
            raise ConfigError("normalisation", f"{text!r} is neither a name nor numbers",
                              f"Choose one of {', '.join(NORMALISATIONS)}, or write it as "
                              "0.485,0.456,0.406/0.229,0.224,0.225.") from None
    if not all(abs(m) < 1000 and 0 < d < 1000 for m, d in zip(mean, deviation, strict=False)):
        raise ConfigError("normalisation", f"{text!r} is out of range",
                          "Means and deviations are of pixels from 0 to 1.")
    if not {len(mean), len(deviation)} <= {1, channels}:
        raise ConfigError("normalisation", f"{text!r} has {max(len(mean), len(deviation))} "
                          f"channels, and the images have {channels}",
                          "Give one number for all channels or one per channel.")
    return mean, deviation


class Pixels(nn.Module):
    """(x - mean) / deviation for x in [0, 1], channel by channel; uint8 is divided by 255 first.

    order: "bgr" reverses the channels first. side: images of another size are resized to that
    height and width (bilinear, antialiased), where the network takes one size only.
    """

    def __init__(self, mean: tuple[float, ...], deviation: tuple[float, ...], order: str = "rgb",
                 side: int = 0) -> None:
        super().__init__()
        self.order, self.side = order, side
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(-1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = as_floats(x, torch.get_default_dtype())
        if self.order == "bgr":
            x = x.flip(1)
        if self.side:
            x = F.interpolate(x, size=(self.side, self.side), mode="bilinear", antialias=True)
        return (x - self.mean) / self.deviation


class Received(nn.Module):
    """`network`, with the layer names that it came with, behind `pixels`."""

    def __init__(self, pixels: Pixels, network: nn.Module) -> None:
        super().__init__()
        self.pixels: Pixels = pixels
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(self.pixels(x))


def settled(network: nn.Module) -> nn.Module:
    """The network without what would make it random or overwrite what is recorded, in place.

    Dropout and stochastic depth are off also in training mode, as in this package's networks, and
    activations are computed out of place.
    """
    # Its import takes as long as torch's: not for every worker that might load an imported model.
    from ngf_core.data.torchvision_guard import torchvision

    for module in network.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd | torchvision.ops.StochasticDepth):
            module.p = 0.0
        elif isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
        elif getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]  # an activation's own flag
    return network
