"""The entrants, and the conditions that are the same for all.

Each attack's model is purified by every entrant with the same 250 clean images, in the same
batches, under the same augmentation, for the same number of passes forward and back. NGF has one
preset for all attacks; the parameters of all others are each method's published ones, or adapted
ones that its file marks as such. Nothing here was chosen for an attack.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from ngf_core.config import PurifyConfig
from ngf_core.models.layer_names import ALL, AUTO
from ngf_core.purify.registry import PURIFIERS
from ngf_core.purify.settings import NGF, SGD, LayerSettings, MethodSettings
from ngf_core.purify.settings.ngf import PUBLISHED, PUBLISHED_BUDGET

# A batch of 128 is the released NGF script's; evaluations along the way would only cost time.
CONDITIONS: dict[str, Any] = {"steps": 100, "batch_size": 128, "evaluations": 1, "sharpness": "off"}
# For these three the sharpness is followed from the received model to the purified one.
FOLLOWED: dict[str, Any] = {"evaluations": 10, "sharpness": "on"}


@dataclass(frozen=True)
class Entrant:
    """A method with its settings, and the conditions in which it departs from `CONDITIONS`.

    group: "defense" for the leaderboard, "ablation" for NGF with one ingredient changed, "control"
    for SGD on the layers of such a change. layer_of: the entrant whose choice of layer it takes
    over, so that both tune the same one; "" for none.
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

    def config(self, source: str, seed: int, layer: str | None = None) -> PurifyConfig:
        """The config of its run on the model of the training run `source`.

        layer: the one that `layer_of` chose, where it is not "".
        """
        own = self.settings
        if isinstance(own, LayerSettings) and self.layer_of and layer is not None:
            own = replace(own, layer=layer)
        return PurifyConfig(source=source, methods=(own,), seed=seed, **CONDITIONS | self.changes)


# The defenses whose sharpness is followed.
PURIFIED = ("ngf", "sgd", "finetune")
BY_RULE = "ablate_auto_layer"  # NGF on the layer that a rule chooses
CLAIMED = (*PURIFIED, BY_RULE)  # for the sharpness claim


def _defenses() -> dict[str, Entrant]:
    return {name: Entrant(entry.title, entry.settings(),
                          changes=FOLLOWED if name in PURIFIED else {})
            for name, entry in PURIFIERS.items()}


def _variant(title: str, settings: MethodSettings, **changes: Any) -> Entrant:
    return Entrant(title, settings, "ablation", changes)


# "No natural gradient" is the defense `sgd` and is not computed twice.
ENTRANTS: dict[str, Entrant] = _defenses() | {
    "ngf_released": Entrant("NGF as released (K-FAC)", PUBLISHED, changes={
        name: getattr(PUBLISHED_BUDGET, name) for name in ("batch_size", "steps", "augment")}),
    # One step of SGD too small to matter: the part that every recalibrating method has in common.
    "ablate_tuning": _variant("BatchNorm recalibration alone", SGD(lr=1e-6), steps=1),
    "ablate_regulariser": _variant("NGF, no regulariser", NGF(regulariser=0.0)),
    "ablate_trust_region": _variant("NGF, no trust region", NGF(kl_bound=100.0)),
    "ablate_running_mean": _variant("NGF, Fisher of one batch", NGF(decay=0.0)),
    "ablate_frozen_bn": _variant("NGF, frozen BatchNorm", NGF(), batchnorm="frozen"),
    BY_RULE: _variant("NGF, layer by rule", NGF(layer=AUTO)),
    "ablate_full_network": _variant("NGF, all layers", NGF(layer=ALL)),
    "sgd_auto_layer": Entrant("SGD, layer by rule", SGD(layer=AUTO), "control",
                              layer_of=BY_RULE),
    "sgd_full_network": Entrant("SGD, all layers", SGD(layer=ALL), "control"),
}
