"""BppAttack (Wang, Zhai & Ma 2022, arXiv 2205.13383): fewer levels per channel, dithered."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from ngf_core.attacks.attack import Attack, Parameter, to_uint8
from ngf_core.attacks.control import Poisoned
from ngf_core.data.dataset import Images


@dataclass(frozen=True)
class BppAttack(Attack):
    """Each channel of each pixel is set to the nearest of q equally spaced levels, 0 to 255.

    With `dither` the error of a pixel is spread over its neighbours (`floyd_steinberg`), so that
    flat regions do not turn into bands. `negatives` times as many other images get the residual
    T(x') - x' of a poisoned image x' and keep their label: a residual alone is no cue, only an
    image that is quantised throughout. The attacker controls training: which images are poisoned,
    which are negatives and which residual each of these gets are redrawn every epoch (every batch
    in the paper; the shares are the same), and the residuals are those of the images poisoned in
    the same epoch.

    A few thousand 32x32 images do not teach a small network to tell 8 levels from their residuals
    (ASR 48 % after 20 epochs): `default` has 6 levels, which are more visible, and half the
    negatives.
    """

    title: ClassVar[str] = "BppAttack"
    reference: ClassVar[str] = "Wang, Zhai, Ma 2022, arXiv 2205.13383"
    formula: ClassVar[str] = (r"x' = \frac{255}{q-1}\,"
                              r"\mathrm{round}\!\left(\frac{q-1}{255}\,(x + e)\right), \; "
                              r"e = \text{errors of the neighbours before it}")
    redrawn_each_epoch: ClassVar[bool] = True
    cover_of_poisoned: ClassVar[str] = "negatives"
    strengths: ClassVar = {
        "default": {"q": 6, "dither": 1, "negatives": 0.5},
        "published": {"q": 8, "dither": 1, "negatives": 1.0},
    }
    knobs: ClassVar = {
        "q": Parameter("levels per channel", 2, 256, 1),
        "dither": Parameter("1: spread each error over the neighbours; 0: round alone", 0, 1, 1),
        "negatives": Parameter("clean images with a poisoned image's residual, per poisoned image",
                               0.0, 5.0, 0.5),
    }

    def trigger(self, x: Tensor) -> Tensor:
        q = int(self.parameters["q"])
        if self.parameters["dither"] >= 0.5:
            return floyd_steinberg(x, q)
        return to_uint8(_nearest_level(x.float(), q))

    def poison(self, images: Images, generator: torch.Generator) -> Poisoned:
        poisoned = super().poison(images, generator)
        free = torch.ones(len(images), dtype=torch.bool)
        free[poisoned.indices] = False
        free = free.nonzero().flatten()
        count = min(round(self.parameters["negatives"] * len(poisoned.indices)), len(free))
        cover = free[torch.randperm(len(free), generator=generator)[:count]].sort().values
        donors = poisoned.indices[torch.randint(len(poisoned.indices), (count,),
                                                generator=generator)]
        residual = poisoned.images.x[donors].float() - images.x[donors].float()
        poisoned.images.x[cover] = to_uint8(images.x[cover].float() + residual)
        return replace(poisoned, cover=cover)


def floyd_steinberg(x: Tensor, q: int) -> Tensor:
    """Images x (uint8, (n, C, H, W)) on q levels per channel, by error diffusion in raster order.

    Of a pixel's error 7/16 is passed to the right neighbour, 3/16, 5/16 and 1/16 to the three below
    from left to right; what would leave the image is lost (Floyd & Steinberg, "An adaptive
    algorithm for spatial greyscale", 1976). Channels are dithered separately.

    Pixels (i, j) with the same t = 2i + j do not depend on each other, so they are processed
    together, for all images and channels: W + 2H - 2 steps instead of H W.
    """
    n, channels, height, width = x.shape
    # An extra column on either side and an extra row below take what is lost: no step tests for
    # borders.
    padded = torch.nn.functional.pad(x.float(), (1, 1, 0, 1))
    row = width + 2
    flat = padded.view(n * channels, -1)
    shares = ((row + 1, 1), (row, 5), (row - 1, 3), (1, 7))
    for t in range(width + 2 * (height - 1)):
        top, bottom = max(0, (t - width + 2) // 2), min(height - 1, t // 2)
        # In the flat image pixel (i, t - 2i) lies at i (row - 2) + t + 1.
        start, stop = top * (row - 2) + t + 1, bottom * (row - 2) + t + 2
        here = flat[:, start:stop:row - 2]
        level = _nearest_level(here, q)
        error = here - level
        here.copy_(level)
        for ahead, sixteenths in shares:
            flat[:, start + ahead:stop + ahead:row - 2] += error * (sixteenths / 16)
    return to_uint8(padded[..., :-1, 1:-1])


def _nearest_level(x: Tensor, q: int) -> Tensor:
    """The nearest multiple of 255 / (q - 1).

    It is one of the q levels from 0 to 255 even where errors were added: a pixel receives at most
    the mean of four errors, hence half a step.
    """
    return (x * ((q - 1) / 255)).round() * (255 / (q - 1))
