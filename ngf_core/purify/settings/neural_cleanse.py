"""The settings of Neural Cleanse."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.options import option
from ngf_core.purify.settings.method_settings import MethodSettings


@dataclass(frozen=True, kw_only=True)
class NeuralCleanse(MethodSettings):
    """Settings of `ngf_core.purify.methods.neural_cleanse`."""

    method: ClassVar[str] = "neural_cleanse"

    share: float = option(0.8, "share of the budget that the search takes", 0.01, 0.99)
    search_lr: float = option(0.1, "Adam's rate on stamps", 1e-6, 10.0)
    cost: float = option(1e-3, "first lambda, the price of a stamp's size", 0.0, 1e3)
    success: float = option(0.98, "share of images that a stamp must turn into its class", 0.0, 1.0)
    patience: int = option(2, "passes between changes of lambda; adapted, published 5 batches", 1,
                           1000)
    anomaly: float = option(2.0, "anomaly index above which a class is flagged", 0.0, 100.0)
    stamped: float = option(0.2, "share of each batch that is stamped to unlearn", 0.0, 1.0)
    lr: float = option(0.01, "learning rate of the unlearning (momentum 0.9, cosine)", 1e-6, 10.0)
    clip: float = option(1.0, "largest norm of the unlearning's gradient; adapted, published none",
                         1e-3, 1e6)
