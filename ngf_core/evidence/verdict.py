"""The verdict of the measured sharpness on the claim, from the tables claim and path.

Two models of one attack and seed are compared by the logarithm of the ratio of a measure. The units
are attacks and seeds, with the interval of `ngf_core.evidence.rank.estimate` (a cluster bootstrap
over three seeds undercovers); it covers other attacks and seeds, on these very images. The verdict
follows from the interval alone: the claim holds where all of it lies on the claimed side of
zero, does not hold where all of it lies on the other side, and is not resolved where it contains
zero or does not exist.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from ngf_core.errors import NGFError
from ngf_core.evidence.entrants import BY_RULE, CLAIMED
from ngf_core.evidence.rank import Estimate, estimate

IMAGES = ("held_out", "defender")
PARAMETERS = ("all", "layer")
MEASURES = ("lambda_max", "trace", "adaptive_lambda_max", "adaptive_trace")
MODELS = ("benign", "backdoored", *CLAIMED)
READING, UNIT = ["images", "parameters", "measure"], ["attack", "seed"]
HOLDS, FAILS, OPEN = "holds", "does not hold", "not resolved"
PATH_MEASURES = ("lambda_max", "fisher_trace")
# Two points always have a correlation of 1 or -1. A few points mean little alone, but it is the
# mean over runs that is judged. (Live sharpness is measured as often as its share of time allows.)
FEWEST_POINTS = 3


@dataclass(frozen=True)
class Comparison:
    """`model` against `other`: the claim is that its sharpness is greater (1) or smaller (-1)."""

    model: str
    other: str
    claimed: int


COMPARISONS = {
    "backdoored": Comparison("backdoored", "benign", 1),
} | {name: Comparison(name, "backdoored", -1) for name in CLAIMED}


def measure_title(measure: str) -> str:
    """"adaptive λ_max"."""
    return measure.replace("_", " ").replace("lambda max", "λ_max")


def verdict(found: Estimate, claimed: int) -> str:
    """`HOLDS`, `FAILS` or `OPEN`, by the rule above."""
    return OPEN if found.sign == 0 else HOLDS if found.sign == claimed else FAILS


def log_ratios(claim: pd.DataFrame) -> pd.DataFrame:
    """One row per comparison, images, parameters, measure, attack and seed: ratio and log_ratio.

    log_ratio is NaN where one of the two is missing, not finite or not positive (a trace may be
    negative): such a pair has no ratio. A reading that no model has, as that of NGF on a layer
    chosen by rule over the layer of the others, has no rows. Raises NGFError where a row occurs
    twice.
    """
    key = [*READING, *UNIT]
    if claim.duplicated([*key, "model"]).any():
        raise NGFError("The table of the sharpness claim has a row twice. Compute it again with "
                       "`python -m ngf_core benchmark`.")
    wide = claim.pivot(index=key, columns="model", values="value")
    parts = []
    for name, pair in COMPARISONS.items():
        if not {pair.model, pair.other} <= set(wide):
            continue
        one, other = (wide[model].where(wide[model] > 0) for model in (pair.model, pair.other))
        found = np.log(one / other).replace([np.inf, -np.inf], np.nan)
        there = claim[claim.model == pair.model].set_index(READING).index
        found = found[found.index.droplevel(UNIT).isin(there)]
        parts.append(pd.DataFrame({"comparison": name, "log_ratio": found}).reset_index())
    columns = ["comparison", *key, "log_ratio"]
    table = pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)
    return table.assign(ratio=np.exp(table.log_ratio.astype(float))).reset_index(drop=True)


def levels(claim: pd.DataFrame) -> pd.DataFrame:
    """One row per model, images, parameters and measure: its geometric mean over attacks and seeds.

    value, low, high: e to the mean logarithm and to the ends of its 95 % interval; n: values behind
    it, the benign model of a seed counted once for each attack; left_out: values that are missing
    or not positive.
    """
    rows, key = [], ["model", *READING]
    for names, part in _in_order(claim.groupby(key)):
        values = part.set_index(UNIT).value
        found = estimate(np.log(values.where((values > 0) & (values < np.inf))))
        rows.append(dict(zip(key, names, strict=True)) | {
            "value": float(np.exp(found.mean)), "low": float(np.exp(found.low)),
            "high": float(np.exp(found.high)), "n": found.n, "left_out": len(values) - found.n})
    return pd.DataFrame(rows, columns=[*key, "value", "low", "high", "n", "left_out"])


def verdicts(claim: pd.DataFrame) -> pd.DataFrame:
    """One row per comparison, images, parameters and measure, with its verdict.

    ratio, low, high: e to the mean log-ratio and to the ends of its 95 % interval; against the
    benign model of a single seed there is no interval, since all attacks share that one model, and
    a second seed counts once it has half as many attacks as the first. n: pairs of models behind
    it; left_out: pairs without a ratio. attacks: those with any pair; agree: those of them whose
    mean over seeds has the claimed sign.
    """
    rows, key = [], ["comparison", *READING]
    for names, part in _in_order(log_ratios(claim).groupby(key)):
        pair = COMPARISONS[names[0]]
        values, claimed = part.set_index(UNIT).log_ratio, pair.claimed
        found = estimate(values)
        seeds = values.dropna().groupby(level="seed").size()
        if pair.other == "benign" and (2 * seeds >= seeds.max()).sum() < 2:
            found = replace(found, low=math.nan, high=math.nan)
        each = values.groupby(level="attack").mean().dropna()
        rows.append(dict(zip(key, names, strict=True)) | {
            "ratio": float(np.exp(found.mean)), "low": float(np.exp(found.low)),
            "high": float(np.exp(found.high)), "n": found.n, "left_out": len(values) - found.n,
            "attacks": len(each), "agree": int((each * claimed > 0).sum()),
            "verdict": verdict(found, claimed)})
    columns = [*key, "ratio", "low", "high", "n", "left_out", "attacks", "agree", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def path_correlations(path: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation of sharpness with ASR along each tuning path, by entrant.

    One correlation per run, over the steps where both were measured; the claim is that both fall
    together, so that it is positive. rho, low, high: the mean over attacks and seeds with its 95 %
    interval, n: runs behind it. left_out: runs with fewer than `FEWEST_POINTS` points or where one
    of the two never changes.
    """
    rows = []
    for entrant, part in path.groupby("entrant", sort=False):
        for measure in PATH_MEASURES:
            each = part.groupby(UNIT)[["asr", measure]].apply(_spearman, FEWEST_POINTS)
            rows.append({"entrant": entrant, "measure": measure} | _correlation(each))
    return pd.DataFrame(rows, columns=["entrant", "measure", *_CORRELATION])


def model_correlations(claim: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation of sharpness with ASR over the models of one attack and seed.

    As `path_correlations`, with benign, backdoored and purified models in place of steps; one row
    per measure, images and parameters. Without NGF on a layer chosen by rule, which is NGF's model
    once more where the rule picks the same layer.
    """
    rows = []
    for names, part in _in_order(claim[claim.model != BY_RULE].groupby(READING)):
        each = part.groupby(UNIT)[["asr", "value"]].apply(_spearman, FEWEST_POINTS)
        rows.append(dict(zip(READING, names, strict=True)) | _correlation(each))
    return pd.DataFrame(rows, columns=[*READING, *_CORRELATION])


def _in_order(groups: Iterable[tuple[tuple, pd.DataFrame]]) -> list[tuple[tuple, pd.DataFrame]]:
    """Groups in the order of the constants above, not alphabetically."""
    order = [*MODELS, *IMAGES, *PARAMETERS, *MEASURES]
    return sorted(groups, key=lambda group: [order.index(name) for name in group[0]])


_CORRELATION = ("rho", "low", "high", "n", "left_out", "verdict")


def _spearman(pair: pd.DataFrame, fewest: int) -> float:
    """The correlation of the frame's two columns; NaN for too few rows or a constant column."""
    values = pair.to_numpy(float)
    values = values[~np.isnan(values).any(axis=1)]
    if len(values) < fewest or (np.ptp(values, axis=0) == 0).any():
        return math.nan
    return float(np.corrcoef(rankdata(values, axis=0).T)[0, 1])


def _correlation(each: pd.Series) -> dict[str, object]:
    found = estimate(each)
    return {"rho": found.mean, "low": max(found.low, -1.0), "high": min(found.high, 1.0),
            "n": found.n, "left_out": len(each) - found.n, "verdict": verdict(found, 1)}
