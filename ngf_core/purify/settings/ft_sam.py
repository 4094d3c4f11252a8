"""The settings of FT-SAM."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.options import option
from ngf_core.purify.settings.method_settings import MethodSettings, rate_option, step_size_option


@dataclass(frozen=True, kw_only=True)
class FTSAM(MethodSettings):
    """Settings of `ngf_core.purify.methods.ft_sam`."""

    method: ClassVar[str] = "ft_sam"
    step_size_of: ClassVar[str] = "lr"

    lr: float = rate_option()
    step_size: str = step_size_option("lr")
    rho: float = option(2.0, "radius of the ascent in units of the weights' own sizes, for a "
                        "network of 11.2 million parameters; adapted: it scales with the root of "
                        "their number, as published it does not", 0.0, 100.0)
    smoothing: float = option(0.1, "label smoothing", 0.0, 0.9)
    weight_decay: float = option(5e-4, "weight decay", 0.0, 1.0)
    per_neuron: bool = option(False, "sizes are norms of neurons, not of single weights; needs a "
                              "smaller rho")
