"""The settings of a layer map."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.config.defender import Defender
from ngf_core.config.methods import methods_option, names_of
from ngf_core.options import option
from ngf_core.purify.registry import LAYERED
from ngf_core.purify.settings import NGF, SGD, LayerSettings


@dataclass(frozen=True, kw_only=True)
class LayersConfig(Defender):
    """Tune each layer of a trained model alone, and let rules choose one from clean data.

    The methods' own `layer` names none (it is "last" or "auto"): every layer is tuned.
    """

    kind: ClassVar[str] = "layers"

    source: str = option("", "id of the training run whose layers are tuned")
    methods: tuple[LayerSettings, ...] = methods_option(
        (NGF(), SGD()), "methods that tune each layer", LAYERED)
    steps: int = option(40, "updates of each method at each layer", 1, 5000)
    pool: int = option(8, Defender.__dataclass_fields__["pool"].metadata["help"], 0, 1000)
    batch_size: int = option(128, "clean images per step (capped at the clean set)", 2, 4096)
    reference: str = option("finetune", "what the map's cost is compared with: finetune (full "
                            "fine-tuning of as many passes) or none", choices=("finetune", "none"))
    reference_lr: float = option(0.003, "learning rate of that fine-tuning", 1e-6, 10.0)

    @property
    def names(self) -> tuple[str, ...]:
        """The methods by name, in their order."""
        return names_of(self.methods)
