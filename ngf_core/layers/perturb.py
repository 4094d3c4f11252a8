"""Clean images off their distribution: what a defender can make without knowing the attack.

Each kind stands for a family of changes that a trigger might use; none is taken from an attack.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Change = Callable[[Tensor, torch.Generator], Tensor]


def patches(x: Tensor, generator: torch.Generator) -> Tensor:
    """A square of an eighth of the height with random saturated pixels, at a random place."""
    x, (height, width) = x.clone(), x.shape[2:]
    side = max(1, height // 8)
    for image in x:
        top, left = (int(torch.randint(0, n - side + 1, (), generator=generator))
                     for n in (height, width))
        bits = torch.randint(0, 2, (len(image), side, side), generator=generator)
        image[:, top : top + side, left : left + side] = bits.to(x)
    return x


def blends(x: Tensor, generator: torch.Generator) -> Tensor:
    """0.8 of the image and 0.2 of uniform noise."""
    return 0.8 * x + 0.2 * torch.rand(x.shape, generator=generator).to(x)


def mixtures(x: Tensor, generator: torch.Generator) -> Tensor:
    """0.7 of the image and 0.3 of another one."""
    other = torch.randperm(len(x), generator=generator).to(x.device)
    return 0.7 * x + 0.3 * x[other]


def waves(x: Tensor, generator: torch.Generator) -> Tensor:
    """A plane wave of height 0.08, of 1 to 6 periods across the image, in a random direction."""
    n, _, height, width = x.shape
    angle, periods, phase = torch.rand(3, n, 1, 1, generator=generator)
    rows, columns = torch.arange(height)[:, None] / height, torch.arange(width) / width
    way = torch.cos(2 * torch.pi * angle) * columns + torch.sin(2 * torch.pi * angle) * rows
    wave = torch.sin(2 * torch.pi * ((1 + 5 * periods) * way + phase))
    return (x + 0.08 * wave[:, None].to(x)).clamp(0, 1)


def warps(x: Tensor, generator: torch.Generator) -> Tensor:
    """Pixels moved along a smooth random field, by about a fortieth of the image."""
    field = torch.randn(len(x), 2, 5, 5, generator=generator) * 0.05
    field = F.interpolate(field, x.shape[2:], mode="bicubic", align_corners=True)
    lines = [torch.linspace(-1, 1, n) for n in (x.shape[3], x.shape[2])]
    still = torch.stack(torch.meshgrid(*lines, indexing="xy"), -1)
    moved = (still + field.permute(0, 2, 3, 1)).clamp(-1, 1)
    return F.grid_sample(x, moved.to(x), align_corners=True)


def noises(x: Tensor, generator: torch.Generator) -> Tensor:
    """Normal noise of deviation 0.1."""
    return (x + 0.1 * torch.randn(x.shape, generator=generator).to(x)).clamp(0, 1)


PROBES: dict[str, Change] = {"patches": patches, "blends": blends, "mixtures": mixtures,
                             "waves": waves, "warps": warps, "noises": noises}


def probes(x: Tensor, draws: int, seed: int) -> dict[str, Tensor]:
    """Every kind of change of the images x, float (n, C, H, W) in [0, 1]: (draws n, C, H, W) each.

    The label of row i is that of image i modulo n.
    """
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.cat([change(x, generator) for _ in range(draws)])
            for name, change in PROBES.items()}
