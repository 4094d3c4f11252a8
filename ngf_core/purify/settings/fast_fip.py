"""The settings of Fast FIP."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.options import option
from ngf_core.purify.settings.method_settings import MethodSettings, fisher_option


@dataclass(frozen=True, kw_only=True)
class FastFIP(MethodSettings):
    """Settings of `ngf_core.purify.methods.fast_fip`."""

    method: ClassVar[str] = "fast_fip"

    fisher: str = fisher_option("true", "empirical")
    eta_f: float = option(0.03, "weight of Tr F in units of the received trace; adapted, published "
                          "0.5 without units and with a term that is no trace", 0.0, 1e3)
    eta_r: float = option(5.0, "weight of the Fisher-weighted pull to the received singular values",
                          0.0, 1e4)
    every: int = option(5, "updates from one with the trace term to the next", 1, 1000)
    lr: float = option(0.005, "learning rate of the singular values (momentum 0.95, cosine)",
                       1e-6, 10.0)
