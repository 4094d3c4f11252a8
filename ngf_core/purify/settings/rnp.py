"""The settings of RNP."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.options import option
from ngf_core.purify.settings.method_settings import MethodSettings


@dataclass(frozen=True, kw_only=True)
class RNP(MethodSettings):
    """Settings of `ngf_core.purify.methods.rnp`."""

    method: ClassVar[str] = "rnp"

    left: float = option(1 / 9, "share of the accuracy above chance that is left when unlearning "
                         "stops; published as accuracy 0.2 with ten classes", 0.0, 1.0)
    unlearning_lr: float = option(0.01, "learning rate of the ascent (momentum 0.9)", 1e-6, 10.0)
    clip: float = option(20.0, "largest norm of the ascent's gradient", 1e-3, 1e6)
    alpha: float = option(0.2, "factor of the recovery's loss", 1e-6, 10.0)
    recovery_lr: float = option(0.2, "learning rate of the masks (momentum 0.9)", 1e-6, 100.0)
    below: float = option(0.9, "channels with a smaller mask may be cut (the largest published "
                          "threshold)", 0.0, 1.0)
    tolerance: float = option(0.05, "how far clean accuracy on the clean set may fall; adapted, "
                              "published thresholds use test data", 0.0, 1.0)
