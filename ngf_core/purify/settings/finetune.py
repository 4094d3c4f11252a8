"""The settings of full fine-tuning."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.purify.settings.method_settings import MethodSettings, rate_option, step_size_option


@dataclass(frozen=True, kw_only=True)
class FineTuning(MethodSettings):
    """Settings of `ngf_core.purify.methods.finetune`."""

    method: ClassVar[str] = "finetune"
    step_size_of: ClassVar[str] = "lr"

    lr: float = rate_option()
    step_size: str = step_size_option("lr")
