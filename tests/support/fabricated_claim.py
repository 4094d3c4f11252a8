"""Made-up tables claim and path of the real schema; they measure nothing."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ngf_core.evidence.claim import COLUMNS
from ngf_core.evidence.entrants import BY_RULE

FACTORS = {"benign": 1.0, "backdoored": 2.0, "ngf": 1.0, "sgd": 2.0, "finetune": 4.0,
           BY_RULE: 1.5}
ASR = {"benign": 0.01, "backdoored": 0.95, "ngf": 0.05, "sgd": 0.6, "finetune": 0.1,
       BY_RULE: 0.2}
SEEDS = (0, 1, 2)


def claim(attacks: Sequence[str], measures: Sequence[str] = ("lambda_max",), spread: float = 0.1,
          seed: int = 0, factors: Mapping[str, float] = FACTORS) -> pd.DataFrame:
    """claim.parquet in which each model is `factors` as sharp as the benign one, up to noise."""
    rng, rows = np.random.default_rng(seed), []
    for attack, number, images, parameters, measure in itertools.product(
            attacks, SEEDS, ("held_out", "defender"), ("all", "layer"), measures):
        for model, factor in factors.items():
            if model == BY_RULE and parameters == "layer":
                continue  # it is read over all parameters alone
            run = "none" if model == "benign" else attack
            rows.append({
                "attack": attack, "seed": number, "model": model, "images": images,
                "parameters": parameters, "measure": measure, "n": 100, "error": 5.0,
                "value": 50 * factor * math.exp(spread * rng.normal()), "computation_error": 0.5,
                "layer": "blocks.2.conv1", "asr": ASR[model], "acc": 0.98,
                "run": f"signs-{run}-s{number}-train"})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def path(attacks: Sequence[str], ways: Mapping[str, float], noise: float = 0.0,
         steps: int = 6) -> pd.DataFrame:
    """path.parquet in which log λ_max is `ways` times ASR along each entrant's path."""
    rng, rows = np.random.default_rng(1), []
    for attack, seed, (entrant, way), step in itertools.product(attacks, SEEDS, ways.items(),
                                                                range(steps)):
        asr = 0.9 / (1 + step)
        rows.append({"attack": attack, "seed": seed, "entrant": entrant, "step": 10 * step,
                     "asr": asr, "acc": 0.98, "ra": 1 - asr,
                     "lambda_max": math.exp(3 + way * asr + noise * rng.normal() * (step > 0)),
                     "lambda_max_error": 0.5, "fisher_trace": 5 + asr, "fisher_trace_error": 1.0})
    return pd.DataFrame(rows)
