"""The settings of MCR."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.options import option
from ngf_core.purify.settings.method_settings import MethodSettings


@dataclass(frozen=True, kw_only=True)
class MCR(MethodSettings):
    """Settings of `ngf_core.purify.methods.mcr`."""

    method: ClassVar[str] = "mcr"

    lr: float = option(0.01, "learning rate of the copy's fine-tuning (momentum 0.9, cosine)", 1e-6,
                       10.0)
    curve_lr: float = option(0.01, "learning rate of the curve's bend (momentum 0.9, cosine); "
                             "adapted, published 3e-5 for 100 epochs", 1e-6, 10.0)
    tolerance: float = option(0.02, "how far the point's clean accuracy may lie below the "
                              "fine-tuned end's; adapted, published t = 0.1", 0.0, 1.0)
