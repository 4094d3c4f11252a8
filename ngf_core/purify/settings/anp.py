"""The settings of ANP."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.options import option
from ngf_core.purify.settings.method_settings import MethodSettings


@dataclass(frozen=True, kw_only=True)
class ANP(MethodSettings):
    """Settings of `ngf_core.purify.methods.anp`."""

    method: ClassVar[str] = "anp"

    eps: float = option(0.4, "largest relative perturbation of a channel", 0.0, 10.0)
    ascents: int = option(1, "ascent steps of the perturbation", 1, 100)
    alpha: float = option(0.2, "share of the unperturbed loss", 0.0, 1.0)
    lr: float = option(0.2, "learning rate of the masks (momentum 0.9)", 1e-6, 100.0)
    below: float = option(0.9, "channels with a smaller mask may be cut (the largest published "
                          "threshold)", 0.0, 1.0)
    tolerance: float = option(0.05, "how far clean accuracy on the clean set may fall; adapted, "
                              "published thresholds use test data", 0.0, 1.0)
