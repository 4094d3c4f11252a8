"""What two models make of a few images, made up: three classes, the attacker wants label 2."""

import numpy as np

from ngf_core.inside.features import Seen
from ngf_core.inside.models import Inside

NAMES = ("stop", "yield", "no entry")
TARGET, CLEAN, VICTIMS = 2, 9, 6


def made_up(answers: dict[str, list[int]], *, truth_known: bool = True) -> Inside:
    """Nine clean images, all answered rightly, and six triggered ones with these answers by model.

    Channel 1 of 4 moves by five of its standard deviations in "before", channel 3 by two.
    """
    rng = np.random.default_rng(0)
    x = {"clean": rng.integers(0, 256, (CLEAN, 3, 8, 8), dtype=np.uint8),
         "originals": rng.integers(0, 256, (VICTIMS, 3, 8, 8), dtype=np.uint8)}
    x["triggered"] = x["originals"].copy()
    x["triggered"][..., -2:, -2:] = 255
    clean, victims = np.arange(CLEAN) % 3, np.arange(VICTIMS) % 2
    channels = rng.normal(size=(VICTIMS, 4)).astype(np.float32)
    seen = {}
    for model, given in answers.items():
        moved = np.array([0, 5, 0, 2]) * channels.std(0, ddof=1) * (1 if model == "before" else 0.1)
        seen[model] = {
            "clean": Seen(clean, rng.normal(size=(CLEAN, 5)), rng.normal(size=(CLEAN, 4))),
            "triggered": Seen(np.array(given), rng.normal(size=(VICTIMS, 5)) + 3, channels + moved),
            "originals": Seen(victims, rng.normal(size=(VICTIMS, 5)), channels)}
    unknown = victims if truth_known else np.full(VICTIMS, -1)
    return Inside(x, {"clean": clean, "triggered": unknown, "originals": unknown},
                  np.full(VICTIMS, TARGET), seen, NAMES, ("conv", "linear"), "conv")
