"""Blend (Chen et al. 2017, arXiv 1712.05526): a faint picture over the whole image."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ngf_core.attacks.attack import Attack, Parameter, to_uint8


@dataclass(frozen=True)
class Blend(Attack):
    """One Gaussian noise picture N, drawn from the seed, blended in with opacity alpha."""

    title: ClassVar[str] = "Blend"
    reference: ClassVar[str] = "Chen, Liu, Li, Lu, Song 2017, arXiv 1712.05526"
    formula: ClassVar[str] = r"x' = (1-\alpha)\,x + \alpha\,N"
    strengths: ClassVar = {"default": {"alpha": 0.2}, "published": {"alpha": 0.2}}
    knobs: ClassVar = {"alpha": Parameter("opacity of the picture", 0.0, 1.0, 0.02)}

    @property
    def picture(self) -> Tensor:
        """N: (C, H, W), normal with mean 127.5 and deviation 64, clipped to 0..255."""
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(self.shape, generator=generator)
        return to_uint8(127.5 + 64 * noise).float()

    def trigger(self, x: Tensor) -> Tensor:
        alpha = self.parameters["alpha"]
        return to_uint8((1 - alpha) * x.float() + alpha * self.picture.to(x.device))
