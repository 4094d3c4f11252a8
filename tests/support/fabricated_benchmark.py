"""A made-up benchmark of the real schema, for whatever reads its table; it measures nothing.

In place of hashes of weights it has the names of their models.
"""

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ngf_core.attacks import ATTACKS
from ngf_core.evidence.cells import Cell
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.purify.registry import PURIFIERS
from ngf_core.runs.names import ZOO_ARCH

TEST, TRIGGERED = 1000, 900
LAYER = "blocks.2.conv1"  # what NGF chose everywhere
# ACC, ASR, RA after the defense and its seconds; others end somewhere between.
ENDS = {"ngf": (0.98, 0.03, 0.93, 9.0), "sgd": (0.985, 0.40, 0.55, 6.0),
        "finetune": (0.982, 0.08, 0.9, 20.0), "clp": (0.90, 0.50, 0.4, 0.01)}


def cells(attacks: Sequence[str] = tuple(ATTACKS), seeds: Sequence[int] = (0, 1, 2),
          entrants: Sequence[str] = tuple(ENTRANTS), seed: int = 0) -> pd.DataFrame:
    """cells.parquet as `ngf_core.evidence.table` writes it, for those attacks and entrants."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in seeds:
        rows.append(_row("none", number, "benign", (0.991, None, None), rng))
        for attack in attacks:
            rows.append(_row(attack, number, "benign", (0.991, 0.01, 0.96), rng) | {
                "run": "", "command": "", "settings": "",
                "weights": f"none-{number}", "received": f"{attack}-{number}"})
            rows.append(_row(attack, number, "before", (0.99, 0.97, 0.02), rng))
            rows += [_purified(attack, number, name, rng) for name in entrants]
    table = pd.DataFrame(rows)
    whole = [f"{rate}_{part}" for rate in ("acc", "asr", "ra") for part in ("hits", "n")]
    return table.astype({name: "Int64" for name in [*whole, "passes", "tuned", "threads"]})


def _row(attack: str, seed: int, entrant: str, rates: tuple, rng: np.random.Generator) -> dict:
    model = f"signs-{attack}-s{seed}"
    row = {"dataset": "signs", "arch": ZOO_ARCH, "attack": attack, "seed": seed,
           "entrant": entrant, "method": "", "group": "model", "run": f"{model}-train",
           "layer": "", "found": "{}", "stopped": None, "der": np.nan, "seconds": np.nan,
           "cpu_seconds": np.nan, "passes": None, "tuned": None,
           "lambda_max": 100 * rng.lognormal(0, 0.3), "lambda_max_error": 0.1,
           "trace": 300 * rng.lognormal(0, 0.3), "trace_error": 20.0,
           "command": f"python -m ngf_core train --attack {attack} --seed {seed}", "code": "",
           "instructions": "AVX512 bf16", "threads": 1,
           "settings": Cell("signs", ZOO_ARCH, attack, seed).settings(),
           "received": "", "weights": f"{attack}-{seed}"}
    for rate, value, n in zip(("acc", "asr", "ra"), rates, (TEST, TRIGGERED, TRIGGERED),
                              strict=True):
        row[f"{rate}_hits"] = None if value is None else round(value * n)
        row[f"{rate}_n"] = None if value is None else n
    return row


def _purified(attack: str, seed: int, name: str, rng: np.random.Generator) -> dict:
    entrant = ENTRANTS[name]
    between = np.random.default_rng(len(name)).uniform(size=4)
    acc, asr, ra, seconds = ENDS.get(name, (0.9 + 0.08 * between[0], between[1],
                                            (1 - between[1]) * 0.95, 5 + 60 * between[3]))
    shift = rng.normal(0, 0.03)
    acc, asr, ra = (float(np.clip(value + sign * shift, 0, 1))
                    for value, sign in ((acc, 0.1), (asr, 1), (ra, -1)))
    der = (max(0, 0.97 - asr) - max(0, 0.99 - acc) + 1) / 2
    layered = PURIFIERS[entrant.method].tunes == "layer"
    return _row(attack, seed, name, (acc, asr, ra), rng) | {
        "method": entrant.method, "group": entrant.group, "run": f"signs-{attack}-s{seed}-{name}",
        "layer": LAYER if layered else "", "der": der, "seconds": 1.4 * seconds,
        "cpu_seconds": seconds, "passes": 0 if name == "clp" else 100, "tuned": 4608,
        "found": json.dumps({"channels cut": 3}), "stopped": None,
        "command": f"python -m ngf_core purify signs-{attack}-s{seed}-train "
                   f"--methods {entrant.method} --seed {seed} --batch-size 128",
        "settings": Cell("signs", ZOO_ARCH, attack, seed, name).settings(LAYER),
        "received": f"{attack}-{seed}", "weights": f"{attack}-{seed}-{name}"}
