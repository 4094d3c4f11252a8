"""The settings of CLP."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.options import option
from ngf_core.purify.settings.method_settings import MethodSettings


@dataclass(frozen=True, kw_only=True)
class CLP(MethodSettings):
    """Settings of `ngf_core.purify.methods.clp`."""

    method: ClassVar[str] = "clp"

    u: float = option(3.0, "a channel is cut when its Lipschitz bound lies more than this many "
                      "deviations above its layer's mean", 0.0, 100.0)
