"""The layer that is tuned where nobody names one: chosen by a rule, on clean data only."""

import copy
from dataclasses import dataclass, replace

from torch import nn

from ngf_core.config import PurifyConfig
from ngf_core.errors import ConfigError, NGFError
from ngf_core.layers.examine import examined
from ngf_core.layers.rules import DEFAULT_RULE, RULES, best, judge
from ngf_core.purify.purifier import CleanSet

# A tenth of the usual budget at each layer, on small batches from a small pool.
STEPS, BATCH_SIZE, POOL = 10, 64, 2


@dataclass(frozen=True)
class Choice:
    """The layer a rule chose, the scores it gave (None: not allowed), and what that cost: passes
    forward and back over a clean batch, counted as if each ran through the whole network."""

    layer: str
    rule: str
    scores: dict[str, float | None]
    passes: int


def choose_layer(model: nn.Module, clean: CleanSet, config: PurifyConfig,
                 rule: str = DEFAULT_RULE) -> Choice:
    """Let the rule of that name look at every layer of `model` on the clean set alone.

    The model is left as it was. Of `config` it takes what concerns clean data and NGF; the layer,
    steps, batch size and pool are not used. Raises ConfigError for an unknown rule, and NGFError
    where the rule can judge no layer.
    """
    if rule not in RULES:
        raise ConfigError("rule", f"{rule!r} is unknown", f"Choose one of {', '.join(RULES)}.")
    short = replace(config, steps=STEPS, batch_size=BATCH_SIZE, pool=POOL)
    sees = RULES[rule].sees
    methods = ("ngf",) if "tuning" in sees else ()
    looks, passes = [], 0
    for one in examined(copy.deepcopy(model), clean, short, methods, sees=sees):
        looks.append(one.look)
        passes += ("fisher" in sees) + sum(tuned.passes for tuned in one.tuned)
    scores = judge(looks, rule)
    layer = best(scores)
    if layer is None:
        raise NGFError(f"The rule {rule!r} can judge none of this network's layers. Name the layer "
                       "to be tuned.")
    return Choice(layer, rule, scores, passes)
