"""The settings of natural gradient fine-tuning."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.options import option
from ngf_core.purify.settings.method_settings import (
    LayerSettings,
    fisher_option,
    step_size_option,
)


@dataclass(frozen=True, kw_only=True)
class NGF(LayerSettings):
    """Settings of `ngf_core.purify.methods.ngf`."""

    method: ClassVar[str] = "ngf"
    step_size_of: ClassVar[str] = "kl_bound"

    fisher: str = fisher_option()
    damping: float = option(0.1, "relative damping: lambda = damping * tr(K) / rows of K", 1e-8,
                            10.0)
    kl_bound: float = option(0.03, "first KL bound of a step, decays to 0 along a cosine", 1e-6,
                             100.0)
    regulariser: float = option(0.1, "eta of the Fisher-weighted pull to the received weights",
                                0.0, 1e4)
    step_size: str = step_size_option("kl_bound")
    rate: float = option(1.0, "largest scale s of a step", 1e-6, 1.0)
    momentum: float = option(0.0, "share of the last step that is repeated", 0.0, 0.999)
    absolute: bool = option(False, "damping is lambda itself, not relative to tr(F) / rows")
    decay: float = option(0.9, "weight of the older batches in the running mean of the Fisher; 0 is "
                          "the last batch alone, as for layers of more than 6,000 weights", 0.0,
                          0.9999)
    every: int = option(1, "K-FAC: steps from one renewal of the factors to the next", 1, 5000)
    tenths: bool = option(False, "the rate falls to a tenth at 35 and at 75 % of the steps and the "
                          "KL bound stays, instead of a KL bound that decays along a cosine")
