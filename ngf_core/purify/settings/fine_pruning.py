"""The settings of Fine-Pruning."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.options import option
from ngf_core.purify.settings.method_settings import MethodSettings


@dataclass(frozen=True, kw_only=True)
class FinePruning(MethodSettings):
    """Settings of `ngf_core.purify.methods.fine_pruning`."""

    method: ClassVar[str] = "fine_pruning"

    tolerance: float = option(0.1, "how far clean accuracy on the clean set may fall by pruning, "
                              "before the fine-tuning", 0.0, 1.0)
    lr: float = option(0.01, "learning rate of the fine-tuning (momentum 0.9, cosine)", 1e-6, 10.0)
