"""The settings of AWM."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.options import option
from ngf_core.purify.settings.method_settings import MethodSettings


@dataclass(frozen=True, kw_only=True)
class AWM(MethodSettings):
    """Settings of `ngf_core.purify.methods.awm`."""

    method: ClassVar[str] = "awm"

    ascents: int = option(1, "ascents of the pattern before each update; adapted, published 5", 1,
                          100)
    tau: float = option(0.05, "largest mean size of the pattern over an image's values in [0, 1]; "
                        "adapted, published 1000 in all for 3x32x32, which is 0.33", 0.0, 1.0)
    alpha: float = option(0.9, "share of the loss on clean images", 0.0, 1.0)
    gamma: float = option(1e-8, "strength of the pull of the masks towards zero", 0.0, 1.0)
    lr: float = option(0.05, "Adam's rate on the masks (cosine); adapted, published 0.01 over some "
                       "400 updates", 1e-6, 10.0)
