"""The settings of stochastic gradient descent on NGF's layers."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ngf_core.options import option
from ngf_core.purify.settings.method_settings import LayerSettings, step_size_option

LAST_LAYER, INSIDE = 1.0, 0.01


@dataclass(frozen=True, kw_only=True)
class SGD(LayerSettings):
    """Settings of `ngf_core.purify.methods.sgd`."""

    method: ClassVar[str] = "sgd"
    step_size_of: ClassVar[str] = "lr"

    lr: float = option(0.0, "learning rate (momentum 0.9, cosine); 0 is the one that was chosen on "
                       "clean images: 1 on the last layer alone, 0.01 on others", 0.0, 10.0)
    step_size: str = step_size_option("lr")

    def for_model(self, model: Any) -> "SGD":
        """With the rate that 0 stands for. The last layer alone is logistic regression, which bears
        a hundred times the rate of a layer inside the network (benchmarks/choose_preset.py)."""
        if self.lr:
            return self
        from ngf_core.models.build import last_layer, tuned_layers

        last = list(tuned_layers(model, self.layer)) == [last_layer(model)]
        return replace(self, lr=LAST_LAYER if last else INSIDE)
