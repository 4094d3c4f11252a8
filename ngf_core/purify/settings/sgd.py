"""The settings of stochastic gradient descent on NGF's layers."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.options import option
from ngf_core.purify.settings.method_settings import LayerSettings, step_size_option


@dataclass(frozen=True, kw_only=True)
class SGD(LayerSettings):
    """Settings of `ngf_core.purify.methods.sgd`."""

    method: ClassVar[str] = "sgd"
    step_size_of: ClassVar[str] = "lr"

    lr: float = option(0.01, "learning rate on the tuned layer (momentum 0.9, cosine)", 1e-6, 10.0)
    step_size: str = step_size_option("lr")
