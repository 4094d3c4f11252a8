"""The settings of NFT."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.options import option
from ngf_core.purify.settings.method_settings import MethodSettings


@dataclass(frozen=True, kw_only=True)
class NFT(MethodSettings):
    """Settings of `ngf_core.purify.methods.nft`."""

    method: ClassVar[str] = "nft"

    alpha: float = option(0.8, "lower bound of a mask, at the input", 0.0, 1.0)
    beta: float = option(0.5, "how fast that bound falls from layer to layer", 0.0, 10.0)
    gamma: float = option(0.001, "weight of the masks' distance from 1, divided by the clean "
                          "images per class", 0.0, 1e3)
    lr: float = option(0.05, "first learning rate of the masks (momentum 0.95, cosine)", 1e-6, 10.0)
    lr_end: float = option(0.02, "last learning rate of the masks", 0.0, 10.0)
