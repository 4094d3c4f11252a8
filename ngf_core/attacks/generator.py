"""Small image-to-image networks that attacks train, and how their weights are saved."""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Autoencoder(nn.Module):
    """Images (n, channels_in, H, W) to maps (n, channels_out, H, W) of any size.

    A stem of `width` channels, then `levels` times half the size and twice the channels, and back
    by bilinear enlargement; the last convolution has no activation. With `skips` each level also
    receives the encoder's maps of its size (a U-Net). Group normalisation instead of BatchNorm:
    the trigger of an image must not depend on the other images of its batch.
    """

    def __init__(self, channels_in: int, channels_out: int, width: int = 16, levels: int = 2,
                 skips: bool = False) -> None:
        super().__init__()
        wide = [width * 2**i for i in range(levels + 1)]
        self.skips = skips
        self.stem = _block(channels_in, width, 1)
        self.down = nn.ModuleList(_block(wide[i], wide[i + 1], 2) for i in range(levels))
        self.up = nn.ModuleList(_block(wide[i + 1] + (wide[i] if skips else 0), wide[i], 1)
                                for i in reversed(range(levels)))
        self.head = nn.Conv2d(width, channels_out, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        # Float32 convolutions of few channels take half the time in this memory format on CPUs.
        maps = [self.stem(x.contiguous(memory_format=torch.channels_last))]
        for down in self.down:
            maps.append(down(maps[-1]))
        x = maps.pop()
        for up in self.up:
            beside = maps.pop()
            x = F.interpolate(x, beside.shape[-2:], mode="bilinear", align_corners=False)
            x = up(torch.cat([x, beside], 1) if self.skips else x)
        return self.head(x)


def _block(channels_in: int, channels: int, stride: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels_in, channels, 3, stride, 1),
                         nn.GroupNorm(min(4, channels), channels), nn.ReLU())


def seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """The module from `build` with initial weights from `seed` alone; global state is unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def in_parts(function: Callable[..., Tensor], *x: Tensor, size: int = 250) -> Tensor:
    """function(*x) a few images at a time without gradients, so that any number of them fits."""
    with torch.no_grad():
        parts = zip(*(each.split(size) for each in x), strict=True)
        return torch.cat([function(*part) for part in parts])


def learned(**modules: nn.Module) -> dict[str, Tensor]:
    """The weights of the modules as one flat dict, "name.weight": what an attack saves."""
    return {f"{name}.{key}": value.detach().cpu().clone().contiguous()
            for name, module in modules.items() for key, value in module.state_dict().items()}


def restore(module: nn.Module, name: str, kept: Mapping[str, Tensor]) -> nn.Module:
    """The module with the weights that `learned` stored under `name`, in eval mode, frozen."""
    prefix = name + "."
    module.load_state_dict({key.removeprefix(prefix): value for key, value in kept.items()
                            if key.startswith(prefix)})
    return module.eval().requires_grad_(False)
