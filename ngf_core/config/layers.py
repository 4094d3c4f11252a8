"""What a layer map is asked to do."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from ngf_core.config.purify import PurifyConfig
from ngf_core.options import option
from ngf_core.purify.registry import PURIFIERS


def _as_purify(name: str) -> Any:
    """The field of that name as a purification has it."""
    field = PurifyConfig.__dataclass_fields__[name]
    return dataclasses.field(default=field.default, metadata=field.metadata)


@dataclass(frozen=True)
class LayersConfig:
    """Tune each layer of a trained model in turn, and ask rules that see clean data which to take.

    Fields that a purification has too mean the same there.
    """

    kind: ClassVar[str] = "layers"

    source: str = option("", "id of the training run whose layers are tuned")
    methods: tuple[str, ...] = option(("ngf", "sgd"), "methods that tune each layer",
                                      choices=tuple(name for name, entry in PURIFIERS.items()
                                                    if entry.tunes == "layer"))
    steps: int = option(40, "updates of each method at each layer", 1, 5000)
    pool: int = option(8, PurifyConfig.__dataclass_fields__["pool"].metadata["help"], 0, 1000)
    clean_fraction: float = _as_purify("clean_fraction")
    clean_balance: str = _as_purify("clean_balance")
    augment: str = _as_purify("augment")
    batchnorm: str = _as_purify("batchnorm")
    batch_size: int = option(128, "clean images per step (capped at the clean set)", 2, 4096)
    fisher: str = _as_purify("fisher")
    damping: float = _as_purify("damping")
    kl_bound: float = _as_purify("kl_bound")
    regulariser: float = _as_purify("regulariser")
    lr: float = _as_purify("lr")
    finetune_lr: float = _as_purify("finetune_lr")
    parameters: str = _as_purify("parameters")
    reference: str = option("finetune", "what the map's cost is compared with: finetune (full "
                            "fine-tuning of as many passes) or none", choices=("finetune", "none"))
    seed: int = _as_purify("seed")

    def purify(self) -> PurifyConfig:
        """The purification that is made at each layer, without the layer."""
        shared = {f.name for f in dataclasses.fields(self)} & set(PurifyConfig.__dataclass_fields__)
        return PurifyConfig(**{name: getattr(self, name) for name in shared})
