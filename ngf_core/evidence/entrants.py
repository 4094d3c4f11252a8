"""Who takes part, and the conditions that are the same for all.

Each attack's model is purified by every entrant with the same 250 clean images, in the same
batches, under the same augmentation, for the same number of passes forward and back. NGF has one
preset for all attacks; all other parameters are each method's published ones, or adapted ones that
its file names as such. Nothing here was chosen for an attack.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from ngf_core.config import PurifyConfig, TrainConfig
from ngf_core.models import ARCHITECTURES
from ngf_core.purify.registry import PURIFIERS

# A batch of 128 is what the released NGF script takes; evaluations on the way would only cost time.
CONDITIONS: dict[str, Any] = {"steps": 100, "batch_size": 128, "evaluations": 1, "sharpness": "off"}
LAST = "last"  # the last layer, whatever the architecture calls it
# For these three the sharpness is followed from the received model to the purified one.
FOLLOWED: dict[str, Any] = {"evaluations": 10, "sharpness": "on"}


@dataclass(frozen=True)
class Entrant:
    """A method with the settings in which it departs from `CONDITIONS`.

    group: "defense" for the leaderboard, "ablation" for NGF with one ingredient taken away.
    layer_of: the entrant whose choice of layer it takes over, "" for none: a rule that tries NGF
    with an ingredient missing might choose another layer, and two things would have changed.
    """

    title: str
    method: str
    group: str = "defense"
    changes: dict[str, Any] = field(default_factory=dict)
    layer_of: str = ""

    def config(self, source: str, seed: int, layer: str | None = None,
               arch: str = TrainConfig.arch) -> PurifyConfig:
        """What its run on the model of the training run `source` is asked to do.

        layer: the one that `layer_of` chose, where that is somebody.
        """
        base = PurifyConfig(source=source, methods=(self.method,), seed=seed,
                            layer=ARCHITECTURES[arch].layer, **CONDITIONS)
        changes = self.changes | ({"layer": layer} if self.layer_of else {})
        if changes.get("layer") == LAST:
            from ngf_core.models.build import tunable_layer_names  # pages read this without torch

            changes["layer"] = tunable_layer_names(arch)[-1]
        return replace(base, **changes)


def _defenses() -> dict[str, Entrant]:
    entrants = {}
    for name, entry in PURIFIERS.items():
        changes = dict(FOLLOWED) if name in ("ngf", "sgd", "finetune") else {}
        if entry.tunes == "layer":
            changes["layer"] = "auto"
        entrants[name] = Entrant(entry.title, name, changes=changes)
    return entrants


def _without(title: str, **changes: Any) -> Entrant:
    return Entrant(title, "ngf", "ablation", changes, "" if "layer" in changes else "ngf")


# "No natural gradient" is the defense `sgd` and is not computed twice.
ENTRANTS: dict[str, Entrant] = _defenses() | {
    # One step of SGD too small to matter: what is left of every method that recalibrates.
    "ablate_tuning": Entrant("BatchNorm recalibration alone", "sgd", "ablation",
                             {"layer": LAST, "steps": 1, "lr": 1e-6}),
    "ablate_regulariser": _without("NGF, no regulariser", regulariser=0.0),
    "ablate_trust_region": _without("NGF, no trust region", kl_bound=100.0),
    "ablate_frozen_bn": _without("NGF, frozen BatchNorm", batchnorm="frozen"),
    "ablate_last_layer": _without("NGF, last layer", layer=LAST),
    "ablate_full_network": _without("NGF, full network", layer="all"),
}
