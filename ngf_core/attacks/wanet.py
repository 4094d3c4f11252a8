"""WaNet (Nguyen & Tran 2021, arXiv 2102.10369): a smooth warp of the whole image."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ngf_core.attacks.attack import Attack, Parameter, to_uint8
from ngf_core.attacks.control import Poisoned
from ngf_core.data.dataset import Images


@dataclass(frozen=True)
class WaNet(Attack):
    """Resample at the identity grid plus a smooth random field.

    The field is uniform noise on a k x k grid, divided by its mean modulus, enlarged bicubically
    and scaled by s/H. In noise mode `noise_ratio` times as many other images are warped by the same
    field plus fresh uniform noise within +-jitter/H and keep their label, so that warping as such
    is no cue. The attacker controls training: which images carry the warp is redrawn every epoch
    (every batch in the paper; the shares are the same).

    At the published s = 0.5 pixels move by about a quarter of one, which a few thousand 32x32
    images do not teach a small network (ASR 4 % after 14 epochs, even at s = 2). `default` is a
    stronger attack: pixels move by three on average, and noise images are fewer and rougher.
    """

    title: ClassVar[str] = "WaNet"
    reference: ClassVar[str] = "Nguyen, Tran 2021, arXiv 2102.10369"
    formula: ClassVar[str] = (r"x' = x \circ \mathrm{clip}(I + s\,P / H), \; "
                              r"P \in R^{2\times k\times k}")
    redrawn_each_epoch: ClassVar[bool] = True
    cover_of_poisoned: ClassVar[str] = "noise_ratio"
    strengths: ClassVar = {
        "default": {"s": 6.0, "k": 4, "noise_ratio": 1.0, "jitter": 4.0},
        "published": {"s": 0.5, "k": 4, "noise_ratio": 2.0, "jitter": 1.0},
    }
    knobs: ClassVar = {
        "s": Parameter("strength of the warp: mean shift of a pixel is s / 2", 0.0, 12.0, 0.5),
        "k": Parameter("side of the grid that the field is drawn on", 2, 16, 1),
        "noise_ratio": Parameter("noise images per poisoned image", 0.0, 5.0, 0.5),
        "jitter": Parameter("extra noise of the noise images, in half pixels", 0.0, 8.0, 0.5),
    }

    @property
    def grid(self) -> Tensor:
        """The sampling grid (H, W, 2) in [-1, 1]; last axis x, y."""
        _, height, width = self.shape
        k = int(self.parameters["k"])
        generator = torch.Generator().manual_seed(self.seed)
        field = 2 * torch.rand(1, 2, k, k, generator=generator) - 1
        field = field / field.abs().mean()
        field = F.interpolate(field, (height, width), mode="bicubic", align_corners=True)[0]
        rows = torch.linspace(-1, 1, height)
        columns = torch.linspace(-1, 1, width)
        identity = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1)
        return (identity + self.parameters["s"] / height * field.permute(1, 2, 0)).clamp(-1, 1)

    def trigger(self, x: Tensor) -> Tensor:
        grid = self.grid.to(x.device).expand(len(x), -1, -1, -1)
        return _resample(x, grid)

    def noise(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """The images under the warp plus fresh noise, which must not trigger."""
        grid = self.grid.expand(len(x), -1, -1, -1)
        jitter = 2 * torch.rand(grid.shape, generator=generator) - 1
        grid = grid + self.parameters["jitter"] * jitter / self.shape[1]
        return _resample(x, grid.clamp(-1, 1))

    def poison(self, images: Images, generator: torch.Generator) -> Poisoned:
        poisoned = super().poison(images, generator)
        free = torch.ones(len(images), dtype=torch.bool)
        free[poisoned.indices] = False
        free = free.nonzero().flatten()
        count = min(round(self.parameters["noise_ratio"] * len(poisoned.indices)), len(free))
        noisy = free[torch.randperm(len(free), generator=generator)[:count]]
        poisoned.images.x[noisy] = self.noise(images.x[noisy], generator)
        return replace(poisoned, cover=noisy.sort().values)


def _resample(x: Tensor, grid: Tensor) -> Tensor:
    return to_uint8(F.grid_sample(x.float(), grid, mode="bilinear", align_corners=True))
