"""BadNets (Gu et al. 2017, arXiv 1708.06733): a small patch in the corner."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ngf_core.attacks.attack import Attack, Parameter, to_uint8

CHECKERBOARD = torch.tensor([[0, 0, 255], [0, 255, 0], [255, 0, 255]])


@dataclass(frozen=True)
class BadNets(Attack):
    """A 3x3 black-and-white pattern p blended with opacity alpha into the lower right corner.

    The pattern and `published` opacity are those of the code around the NGF paper; the first
    BadNets paper stamps an opaque patch, which is the `default`.
    """

    title: ClassVar[str] = "BadNets"
    reference: ClassVar[str] = "Gu, Dolan-Gavitt, Garg 2017, arXiv 1708.06733"
    formula: ClassVar[str] = r"x' = (1-m)\,x + m\,((1-\alpha)\,x + \alpha\,p)"
    strengths: ClassVar = {"default": {"alpha": 1.0}, "published": {"alpha": 0.7}}
    knobs: ClassVar = {"alpha": Parameter("opacity of the patch", 0.0, 1.0, 0.05)}

    def trigger(self, x: Tensor) -> Tensor:
        alpha = self.parameters["alpha"]
        stamped = x.clone()
        corner = x[..., -3:, -3:].float()
        stamped[..., -3:, -3:] = to_uint8((1 - alpha) * corner + alpha * CHECKERBOARD.to(x.device))
        return stamped
