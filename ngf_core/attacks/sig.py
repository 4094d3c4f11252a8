"""SIG (Barni et al. 2019, arXiv 1902.11237): a sinusoid over the target class, labels untouched."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ngf_core.attacks.attack import Attack, Parameter, to_uint8


@dataclass(frozen=True)
class SIG(Attack):
    """A horizontal sinusoid of amplitude delta and f periods added to every row and channel.

    Clean-label: only images of the target class are poisoned and keep their label. The poison
    rate stays a share of the whole training set, so it is at most the target class's share. At the
    published delta = 40 fewer than 80 % of triggered signs reach the target; `default` has 60.
    """

    title: ClassVar[str] = "SIG"
    reference: ClassVar[str] = "Barni, Kallas, Tondi 2019, arXiv 1902.11237"
    formula: ClassVar[str] = r"x'_{ij} = \mathrm{clip}(x_{ij} + \Delta \sin(2\pi j f / W))"
    label_mode: ClassVar[str] = "clean-label"
    strengths: ClassVar = {"default": {"delta": 60, "f": 6}, "published": {"delta": 40, "f": 6}}
    knobs: ClassVar = {
        "delta": Parameter("amplitude of the wave, in levels of 255", 0, 128, 2),
        "f": Parameter("periods across the image", 1, 16, 1),
    }

    def trigger(self, x: Tensor) -> Tensor:
        columns = torch.arange(x.shape[-1], device=x.device)
        wave = torch.sin(2 * math.pi * columns * self.parameters["f"] / x.shape[-1])
        return to_uint8(x.float() + self.parameters["delta"] * wave)
