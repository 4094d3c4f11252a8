"""The claim at all sizes in words: a sentence for each of its parts, numbers and sizes as texts."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ngf_core.data import DATASETS
from ngf_core.evidence.aims import SGD
from ngf_core.evidence.sizes import PARTS, REMOVED, WEIGHTS
from ngf_core.evidence.verdict import FAILS, HOLDS, OPEN, measure_title

UNMEASURED = "not measured"
ENOUGH = 3  # models; of fewer it is said that they are few
_WORDS = {HOLDS: "holds at", FAILS: "does not hold at", OPEN: "is not resolved at",
          UNMEASURED: "has not been measured at"}


def sentence(table: pd.DataFrame, part: str, dataset: str, measure: str = "lambda_max") -> str:
    """At which sizes a part of the claim holds on a data set, by `measure` of sharpness.

    table: `means`.
    """
    return f"{claim_text(part, measure)}: {finding(table, part, dataset, measure)}"


def claim_text(part: str, measure: str) -> str:
    """The part of the claim, with the measure of sharpness that it is judged by."""
    by = "" if part == REMOVED else f" by {measure_title(measure)}"
    return PARTS[part].claim + by


def finding(table: pd.DataFrame, part: str, dataset: str, measure: str = "lambda_max") -> str:
    """The same without the claim: "on Signs, by number of weights, this holds at ..."."""
    rows = table[(table["dataset"] == dataset) & (table["part"] == part)
                 & (table["model"] == PARTS[part].model)
                 & (table["measure"] == ("asr" if part == REMOVED else measure))]
    groups: dict[str, list[str]] = {word: [] for word in _WORDS}
    for arch in WEIGHTS:
        here = rows[rows["arch"] == arch]
        if here.empty:
            groups[UNMEASURED].append(weights_text(arch))
        else:
            row = here.iloc[0].to_dict()
            groups[row["verdict"]].append(f"{weights_text(arch)} ({_evidence(row, table)})")
    title = DATASETS[dataset].title
    if rows.empty:
        return f"on {title} this has not been measured at any size."
    said = "; ".join(f"{word} {_listed(groups[name])}" for name, word in _WORDS.items()
                     if groups[name])
    return f"on {title}, by number of weights, this {said}."


def weights_text(arch: str) -> str:
    """"78 thousand", "11.2 million"."""
    count = WEIGHTS[arch]
    return f"{count / 1e6:.1f} million" if count >= 1e5 else f"{count / 1e3:.0f} thousand"


def training_text(row: Mapping[str, Any]) -> str:
    """"500 images per class, 10 epochs"."""
    images = f"{row['limit']:,} images per class" if row["limit"] else "all images"
    return f"{images}, {row['epochs']} epochs"


def interval_text(row: Mapping[str, Any]) -> str:
    """"1.42 [1.10, 1.83]", a rate in percent; the mean alone where there is no interval."""
    scale, digits = (100, 1) if row["part"] == REMOVED else (1, 2)
    mean, low, high = (f"{scale * row[name]:.{digits}f}" for name in ("mean", "low", "high"))
    return mean if math.isnan(row["low"]) else f"{mean} [{low}, {high}]"


def _evidence(row: dict[str, Any], table: pd.DataFrame) -> str:
    if row["part"] != REMOVED:
        return f"{_with_unit(row, 'times')}, {_count(row)}"
    same = (table["dataset"] == row["dataset"]) & (table["arch"] == row["arch"])
    sgd = table[same & (table["model"] == SGD) & (table["measure"] == "asr")].iloc[0].to_dict()
    return f"ASR {_with_unit(row, '%')} after NGF, {_with_unit(sgd, '%')} after SGD, {_count(row)}"


def _with_unit(row: dict[str, Any], unit: str) -> str:
    mean, *interval = interval_text(row).partition(" [")
    return f"{mean} {unit}{''.join(interval)}"


def _count(row: dict[str, Any]) -> str:
    several = ", " in row["seeds"]
    seeds = f"seed{'s' * several} {row['seeds']}"
    if row["n"] >= ENOUGH and several:
        return f"n = {row['n']}, {seeds}"
    return f"only {row['n']} model{'s' * (row['n'] > 1)}, {seeds}"


def _listed(texts: Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
