"""Random changes of clean images, drawn per image: crop, erasing, noise.

`none` leaves images unchanged; `crop` is the published augmentation (zero-pad by 4, crop back; no
flip, since mirrored signs and digits change their meaning); `strong` adds random erasing (Zhong
et al. 2017, arXiv 1708.04896) and pixel noise.
"""

import torch
from torch import Tensor

from ngf_core.data.floats import as_floats

# How far images may leave [0, 1], as a normalisation and its inverse leave behind.
ROUNDING = 1e-6


def augment(name: str, x: Tensor, generator: torch.Generator) -> Tensor:
    """Images (n, C, H, W), uint8 or floats in [0, 1] -> floats in [0, 1], augmented as in `name`.

    `none` accepts inputs of any kind; see `are_images` for what the others accept.
    """
    if name == "none":
        return as_floats(x)
    x = as_floats(crop(x, 4, generator))
    if name == "strong":
        x = add_noise(erase(x, generator), generator)
    return x


def are_images(x: Tensor) -> bool:
    """Whether x are images (n, C, H, W), uint8 or with all numbers in [0, 1] up to rounding."""
    return x.ndim == 4 and (x.dtype == torch.uint8 or _in_range(x))


def clipped(x: Tensor) -> Tensor:
    """Floats that are images up to rounding, clipped to [0, 1]; all other inputs as they are."""
    return x.clamp(0, 1) if x.dtype != torch.uint8 and are_images(x) else x


def _in_range(x: Tensor) -> bool:
    off = max(ROUNDING, torch.finfo(x.dtype).eps)
    return bool(x.min() >= -off and x.max() <= 1 + off)


def crop(x: Tensor, pad: int, generator: torch.Generator) -> Tensor:
    """Zero-pad by `pad` and cut an image-sized window, its random position drawn per image."""
    n, _, height, width = x.shape
    padded = torch.nn.functional.pad(x, (pad, pad, pad, pad))
    top = torch.randint(0, 2 * pad + 1, (n, 1), generator=generator)
    left = torch.randint(0, 2 * pad + 1, (n, 1), generator=generator)
    rows = (top + torch.arange(height))[:, :, None].to(x.device)
    columns = (left + torch.arange(width))[:, None, :].to(x.device)
    cut = padded[torch.arange(n, device=x.device)[:, None, None], :, rows, columns]
    return cut.permute(0, 3, 1, 2)


def erase(x: Tensor, generator: torch.Generator) -> Tensor:
    """Fill a rectangle in every image (each side 20 to 50 % of the image's) with random colour."""
    n, channels, height, width = x.shape
    inside = []
    for size in (height, width):
        length = size * (0.2 + 0.3 * torch.rand(n, 1, generator=generator))
        start = (size - length) * torch.rand(n, 1, generator=generator)
        place = torch.arange(size) + 0.5
        inside.append((place >= start) & (place <= start + length))
    mask = (inside[0][:, :, None] & inside[1][:, None, :])[:, None].to(x.device)
    colour = torch.rand(n, channels, 1, 1, generator=generator).to(x)
    return torch.where(mask, colour, x)


def add_noise(x: Tensor, generator: torch.Generator) -> Tensor:
    """Add normal noise of a deviation drawn per image from 0 to 0.1, and clip to [0, 1]."""
    deviation = 0.1 * torch.rand(len(x), 1, 1, 1, generator=generator)
    noise = deviation * torch.randn(x.shape, generator=generator)
    return (x + noise.to(x)).clamp(0, 1)
