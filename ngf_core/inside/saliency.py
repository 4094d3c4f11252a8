"""The pixels on which the attacker's label rests, and how many of them are the trigger's."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ngf_core.data.floats import as_floats
from ngf_core.errors import ConfigError
from ngf_core.inside.features import PART, at_rest

COPIES, NOISE = 8, 0.1
SMALL = 0.25


@dataclass(frozen=True)
class Share:
    """The mean share of saliency on the trigger's pixels, with its standard error over n images.

    uniform: the share of an even map, which is that of the pixels themselves.
    """

    value: float
    error: float
    uniform: float
    n: int


def smooth_grad(model: nn.Module, x: Tensor, labels: Tensor, *, copies: int = COPIES,
                noise: float = NOISE, seed: int = 0) -> Tensor:
    """SmoothGrad (Smilkov et al. 2017, arXiv 1706.03825) of one label's logit, (n, H, W).

    Σ_colours |1/copies Σ_k ∂z_label(x + noise ε_k)/∂x| with standard normal ε_k drawn by `seed`;
    one copy without noise is the plain gradient (Simonyan et al. 2014, arXiv 1312.6034). x: images,
    uint8 or float in [0, 1], (n, C, H, W); labels (n,). In eval mode; the parameters get no
    gradients. Raises ConfigError for labels of another number and fewer than one copy.
    """
    if len(labels) != len(x) or copies < 1:
        raise ConfigError("saliency", f"{len(labels)} labels for {len(x)} images, {copies} copies",
                          "Give one label per image and at least one copy.")
    generator = torch.Generator().manual_seed(seed)
    with at_rest(model) as device:
        maps = []
        for part, wanted in zip(x.split(PART), labels.split(PART), strict=True):
            images = as_floats(part.to(device, memory_format=torch.channels_last))
            total = torch.zeros_like(images)
            for _ in range(copies):
                shaken = images
                if noise:
                    shaken = images + noise * torch.randn(
                        images.shape, generator=generator, dtype=images.dtype).to(device)
                total += _gradient(model, shaken, wanted.to(device))
            maps.append((total / copies).abs().sum(1).cpu())
    return torch.cat(maps)


def _gradient(model: nn.Module, x: Tensor, labels: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        logits = model(x).gather(1, labels[:, None]).sum()
    return torch.autograd.grad(logits, x)[0]


def trigger_pixels(originals: Tensor, triggered: Tensor, most: float = SMALL
                   ) -> NDArray[np.bool_] | None:
    """The pixels (H, W) that the trigger changes in any of the images, uint8 (n, C, H, W).

    None where it changes none, or more than the share `most` of them: it is then no small region.
    """
    changed = (originals != triggered).any(1).any(0).numpy()
    return changed if 0 < changed.mean() <= most else None


def share_on(maps: Tensor, pixels: NDArray[np.bool_]) -> Share:
    """Σ saliency on `pixels` (H, W) / Σ saliency of each map (n, H, W), as a mean over the images.

    Maps that are zero everywhere or not finite have no share and are not counted. NaN where none is
    left (for the error: fewer than two).
    """
    told = maps.double().numpy()
    total = told.sum((1, 2))
    fit = np.isfinite(total) & (total > 0)
    shares = told[fit][:, pixels].sum(1) / total[fit]
    n = len(shares)
    return Share(float(shares.mean()) if n else float("nan"),
                 float(shares.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan"),
                 float(pixels.mean()), n)
