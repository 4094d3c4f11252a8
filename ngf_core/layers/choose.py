"""The layer that is tuned where none is named: chosen by a rule, on clean data only."""

import copy
from dataclasses import dataclass, replace

from torch import nn

from ngf_core.data.augment import are_images
from ngf_core.errors import ConfigError, NGFError
from ngf_core.layers.rules import DEFAULT_RULE, RULES, best, judge
from ngf_core.layers.sweep import sweep
from ngf_core.models.build import last_layer
from ngf_core.purify.batches import CleanSet
from ngf_core.purify.budget import Budget
from ngf_core.purify.settings import NGF

# A tenth of the usual budget per layer, on small batches from a small pool.
STEPS, BATCH_SIZE, POOL = 10, 64, 2
RULE_WITHOUT_IMAGES = "travel"


@dataclass(frozen=True)
class LayerChoice:
    """The layer a rule chose, the scores it gave (None: not allowed), and what that cost in passes
    forward and back over a clean batch, counted as if each ran through the whole network."""

    layer: str
    rule: str
    scores: dict[str, float | None]
    passes: int


def choose_layer(model: nn.Module, clean: CleanSet, budget: Budget, ngf: NGF | None = None,
                 rule: str | None = None) -> LayerChoice:
    """Score every layer of `model` by the rule of that name, on the clean set alone.

    rule: DEFAULT_RULE where None; for inputs that are not images in [0, 1], and so cannot be
    changed as images are, RULE_WITHOUT_IMAGES. The model is left as it was. Of `budget` it takes
    the augmentation, BatchNorm and seed; `ngf` holds the settings for the tuning that judges a
    layer, by default the usual ones; its layer and choice of a step size are not used. Raises
    ConfigError for an unknown rule, for one that needs images and for fewer than five clean inputs,
    and NGFError where the rule can judge no layer.
    """
    images = are_images(clean.x)
    rule = rule or (DEFAULT_RULE if images else RULE_WITHOUT_IMAGES)
    if rule not in RULES:
        raise ConfigError("rule", f"{rule!r} is unknown", f"Choose one of {', '.join(RULES)}.")
    if "changes" in RULES[rule].sees and not images:
        raise ConfigError("rule", f"{rule!r} changes images, which these inputs are not",
                          f"Use {RULE_WITHOUT_IMAGES!r}.")
    last_layer(model)  # refuses a network that has none
    short = replace(budget, steps=STEPS, seconds=0.0, batch_size=BATCH_SIZE, pool=POOL)
    sees = RULES[rule].sees
    methods = (ngf or NGF(),) if "tuning" in sees else ()
    layers, passes = [], 0
    for one in sweep(copy.deepcopy(model), clean, short, methods, sees=sees):
        layers.append(one.statistics)
        passes += ("fisher" in sees) + sum(tuned.passes for tuned in one.tuned)
    scores = judge(layers, rule)
    layer = best(scores)
    if layer is None:
        raise NGFError(f"The rule {rule!r} can judge none of this network's layers. Name the layer "
                       "to be tuned.")
    return LayerChoice(layer, rule, scores, passes)
