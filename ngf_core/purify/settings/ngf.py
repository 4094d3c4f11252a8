"""The settings of natural gradient fine-tuning."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.options import option
from ngf_core.purify.budget import Budget
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
    decay: float = option(0.9, "weight of older batches in the running mean of the Fisher; 0: the "
                          "last batch alone, as for layers of over 6,000 weights", 0.0, 0.9999)
    every: int = option(1, "K-FAC: steps from one renewal of the factors to the next", 1, 5000)
    tenths: bool = option(False, "the rate falls to a tenth at 35 and at 75 % of the steps and the "
                          "KL bound stays, instead of a KL bound that decays along a cosine")


# The optimiser of the released script: K-FAC with moving averages, its rate, momentum, damping and
# KL clip, without the regulariser. There the factors' eigenvectors are renewed every 100 steps and
# the factors every 10, here both every 10; BatchNorm's statistics drift in training mode, here they
# are recalibrated once; and images are mirrored too, which would change signs and digits.
PUBLISHED = NGF(fisher="kfac", damping=1e-3, kl_bound=1e-2, regulariser=0.0, rate=0.01,
                momentum=0.9, absolute=True, decay=0.95, every=10, tenths=True)
PUBLISHED_BUDGET = Budget(batch_size=128, steps=500, augment="crop")
