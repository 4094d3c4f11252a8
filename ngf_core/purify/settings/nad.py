"""The settings of NAD."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.options import option
from ngf_core.purify.settings.method_settings import MethodSettings, rate_option, step_size_option


@dataclass(frozen=True, kw_only=True)
class NAD(MethodSettings):
    """Settings of `ngf_core.purify.methods.nad`."""

    method: ClassVar[str] = "nad"
    step_size_of: ClassVar[str] = "lr"

    lr: float = rate_option()
    step_size: str = step_size_option("lr")
    beta1: float = option(500.0, "weight of the first of the three maps", 0.0, 1e6)
    beta2: float = option(1000.0, "weight of the second map", 0.0, 1e6)
    beta3: float = option(1000.0, "weight of the last map", 0.0, 1e6)
    p: float = option(2.0, "power of the activations", 1.0, 8.0)
    weight_decay: float = option(5e-4, "weight decay", 0.0, 1.0)
    teacher: float = option(1 / 3, "the teacher's share of the passes; adapted, published 10 "
                            "epochs beside the student's 20 to 100", 0.0, 0.9)
