"""The entrants, and the conditions that are the same for all.

Each attack's model is purified by every entrant with the same 250 clean images, in the same
batches, under the same augmentation, for the same number of passes forward and back. NGF has one
preset for all attacks; the parameters of all others are each method's published ones, or adapted
ones that its file marks as such. Nothing here was chosen for an attack.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from ngf_core.config import PurifyConfig, TrainConfig
from ngf_core.models.layer_names import AUTO
from ngf_core.purify.registry import PURIFIERS
from ngf_core.purify.settings import NGF, SGD, LayerSettings, MethodSettings

# A batch of 128 is the released NGF script's; evaluations along the way would only cost time.
CONDITIONS: dict[str, Any] = {"steps": 100, "batch_size": 128, "evaluations": 1, "sharpness": "off"}
LAST = "last"  # the last layer, whatever the architecture calls it
# For these three the sharpness is followed from the received model to the purified one.
FOLLOWED: dict[str, Any] = {"evaluations": 10, "sharpness": "on"}


@dataclass(frozen=True)
class Entrant:
    """A method with its settings, and the conditions in which it departs from `CONDITIONS`.

    Where it tunes a layer, that is the one its settings name, or `LAST`. group: "defense" for the
    leaderboard, "ablation" for NGF with one ingredient removed. layer_of: the entrant whose choice
    of layer it takes over, "" for none: a rule that tries NGF without an ingredient might choose
    another layer, and two things would have changed.
    """

    title: str
    settings: MethodSettings
    group: str = "defense"
    changes: dict[str, Any] = field(default_factory=dict)
    layer_of: str = ""

    @property
    def method(self) -> str:
        """The method's name."""
        return self.settings.method

    def config(self, source: str, seed: int, layer: str | None = None,
               arch: str = TrainConfig.arch) -> PurifyConfig:
        """The config of its run on the model of the training run `source`.

        layer: the one that `layer_of` chose, where it is not "".
        """
        own = self.settings
        if isinstance(own, LayerSettings) and self.layer_of and layer is not None:
            own = replace(own, layer=layer)
        elif isinstance(own, LayerSettings) and own.layer == LAST:
            from ngf_core.models.build import tunable_layer_names  # pages read this without torch

            own = replace(own, layer=tunable_layer_names(arch)[-1])
        return PurifyConfig(source=source, methods=(own,), seed=seed, **CONDITIONS | self.changes)


def _defenses() -> dict[str, Entrant]:
    return {name: Entrant(entry.title, entry.settings(), changes=FOLLOWED if name in (
        "ngf", "sgd", "finetune") else {}) for name, entry in PURIFIERS.items()}


def _without(title: str, settings: NGF, **changes: Any) -> Entrant:
    return Entrant(title, settings, "ablation", changes, "ngf" if settings.layer == AUTO else "")


# "No natural gradient" is the defense `sgd` and is not computed twice.
ENTRANTS: dict[str, Entrant] = _defenses() | {
    # One step of SGD too small to matter: the part that every recalibrating method has in common.
    "ablate_tuning": Entrant("BatchNorm recalibration alone", SGD(layer=LAST, lr=1e-6), "ablation",
                             {"steps": 1}),
    "ablate_regulariser": _without("NGF, no regulariser", NGF(regulariser=0.0)),
    "ablate_trust_region": _without("NGF, no trust region", NGF(kl_bound=100.0)),
    "ablate_frozen_bn": _without("NGF, frozen BatchNorm", NGF(), batchnorm="frozen"),
    "ablate_last_layer": _without("NGF, last layer", NGF(layer=LAST)),
    "ablate_full_network": _without("NGF, full network", NGF(layer="all")),
}
