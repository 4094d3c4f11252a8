"""The settings of I-BAU."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.options import option
from ngf_core.purify.settings.method_settings import MethodSettings


@dataclass(frozen=True, kw_only=True)
class IBAU(MethodSettings):
    """Settings of `ngf_core.purify.methods.ibau`."""

    method: ClassVar[str] = "ibau"

    ascents: int = option(4, "steps of the perturbation per round; adapted, published 50 batches",
                          1, 1000)
    updates: int = option(2, "updates of the weights per round; adapted, published 50 batches",
                          1, 1000)
    terms: int = option(5, "K, terms of the fixed point series", 1, 1000)
    lr: float = option(1e-3, "learning rate of Adam on the weights", 1e-7, 1.0)
    perturbation_lr: float = option(10.0, "rate of the ascent", 1e-4, 1e4)
    radius: float = option(10.0, "largest norm of the perturbation of images in [0, 1]", 1e-3, 1e4)
    penalty: float = option(1e-3, "c, weight of the squared norm of the perturbation", 0.0, 1e3)
    inner_rate: float = option(0.1, "a, step of the fixed point map", 1e-6, 10.0)
    portion: float = option(0.01, "share of the images of an update that carry the perturbation; "
                            "1 in the paper's formula", 0.0, 1.0)
