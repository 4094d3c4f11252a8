"""At which size of network the paper's claim holds, in each of its three parts.

The main tables are of one network; those of other sizes and data sets lie below them, in
sizes/DATASET-ARCH/, each written by `command`. Compared are those of `COMPARED` that a size has, on
held-out images and over all parameters. Ratios, intervals and verdicts are those of
`ngf_core.evidence.verdict` and `rank`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ngf_core.config import TrainConfig
from ngf_core.data import DATASETS
from ngf_core.evidence import load, tables_folder
from ngf_core.evidence.aims import MOST_ASR, NGF, SGD
from ngf_core.evidence.entrants import BY_RULE, CLAIMED
from ngf_core.evidence.folders import SEEDS, SIZES, Grid, command_for, read_protocol
from ngf_core.evidence.measures import BEFORE, wide
from ngf_core.evidence.rank import difference, estimate
from ngf_core.evidence.verdict import (
    FAILS,
    HOLDS,
    OPEN,
    UNIT,
    log_ratios,
    verdict,
    verdicts,
)

COMPARED = ("badnets", "blend", "wanet")
# Trained weights for colour images of ten classes; for grey ones a few hundred less.
WEIGHTS = {"mini_preact_resnet": 77_850, "preact_resnet18_w16": 701_018,
           "preact_resnet18_w32": 2_796_714, "preact_resnet18": 11_172_170}
LIMIT = 500  # images per class: ten classes then have the 250 clean images of `signs`
EXPECTED = ("signs", "fashion_mnist")
# Attacks, seeds and epochs where a size takes hours; of all others COMPARED, SEEDS and the default.
_LARGE = (COMPARED, (0,), TrainConfig.epochs)
_LARGEST = (COMPARED[:1], (0,), 8)
PLAN = {("signs", "preact_resnet18_w32"): _LARGE, ("signs", "preact_resnet18"): _LARGEST,
        ("fashion_mnist", "preact_resnet18_w16"): (COMPARED, (0, 1), TrainConfig.epochs),
        ("fashion_mnist", "preact_resnet18_w32"): _LARGE,
        ("fashion_mnist", "preact_resnet18"): _LARGEST}
ENTRANTS = (BEFORE, *CLAIMED)
SHARPER, REMOVED, FLATTER = "sharper", "removed", "flatter"


@dataclass(frozen=True)
class Part:
    """A part of the claim: the sentence, and the model that it is about."""

    claim: str
    model: str


PARTS = {
    SHARPER: Part("Backdoored models are sharper than benign ones", "backdoored"),
    REMOVED: Part("One layer tuned by natural gradient removes the backdoor where one-layer SGD "
                  "leaves it", NGF),
    FLATTER: Part("After natural gradient on one layer a model is flatter than it was with its "
                  "backdoor", NGF),
}


@dataclass(frozen=True)
class Size:
    """The tables of one data set and network, and how its models were trained."""

    dataset: str
    arch: str
    limit: int
    epochs: int
    command: str
    cells: pd.DataFrame
    claim: pd.DataFrame

    @property
    def held_out(self) -> pd.DataFrame:
        """The rows of `claim` on held-out images and over all parameters."""
        return self.claim[(self.claim["images"] == "held_out")
                          & (self.claim["parameters"] == "all")]

    @property
    def about(self) -> dict[str, Any]:
        """The columns that all its rows share."""
        return {"dataset": self.dataset, "arch": self.arch, "weights": WEIGHTS[self.arch],
                "limit": self.limit, "epochs": self.epochs}


def sizes(folder: Path | None = None) -> list[Size]:
    """The sizes whose tables lie in `folder` or below it, by data set and number of weights.

    folder: of the main tables (None: `tables_folder`). Tables in sizes/ stand for the main ones of
    the same data set and network. Raises NGFError where a table is damaged.
    """
    folder = folder or tables_folder()
    found = [_read(place) for place in (folder, *sorted((folder / SIZES).glob("*/")))]
    known = {(one.dataset, one.arch): one for one in found
             if one and one.arch in WEIGHTS and one.dataset in DATASETS}
    return sorted(known.values(), key=lambda one: (
        [*EXPECTED, *DATASETS].index(one.dataset), WEIGHTS[one.arch]))


def datasets(found: Sequence[Size]) -> list[str]:
    """The expected data sets, and others that have been measured."""
    return list(dict.fromkeys([*EXPECTED, *(one.dataset for one in found)]))


def command(dataset: str, arch: str) -> str:
    """The command that computes the tables of one size."""
    limit = TrainConfig.limit if DATASETS[dataset].embedded else LIMIT
    attacks, seeds, epochs = PLAN.get((dataset, arch), (COMPARED, SEEDS, TrainConfig.epochs))
    return command_for(dataset, arch, limit, epochs, Grid(attacks, CLAIMED, seeds), attacks,
                       tables_folder() / SIZES / f"{dataset}-{arch}")


def _read(place: Path) -> Size | None:
    told = read_protocol(place)
    if told is None or not all((place / f"{name}.parquet").is_file() for name in
                               ("cells", "claim")):
        return None
    cells, claim = load("cells", place), load("claim", place)
    return Size(told.dataset, told.arch, told.limit, told.epochs, told.command,
                cells[cells["attack"].isin(COMPARED)], claim[claim["attack"].isin(COMPARED)])


def models(found: Sequence[Size]) -> pd.DataFrame:
    """One row per model and measure: part, model, measure, attack, seed and value.

    value: of the parts on sharpness the ratio to the model it is compared with, of the same attack
    and seed; of the removal asr and acc, on the models that both NGF and SGD have purified.
    """
    columns = ["dataset", "arch", "weights", "part", "model", "measure", *UNIT, "value"]
    parts = []
    for one in found:
        rows = log_ratios(one.held_out).rename(columns={"comparison": "model", "ratio": "value"})
        parts.append(rows.dropna(subset="value").assign(
            part=rows["model"].map(_part), **one.about))
        for measure, table in rates(one.cells).items():
            long = table.melt(ignore_index=False, var_name="model", value_name="value")
            parts.append(long.dropna(subset="value").reset_index().assign(
                part=REMOVED, measure=measure, **one.about))
    parts = [part[columns] for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def means(found: Sequence[Size]) -> pd.DataFrame:
    """One row per size, part, model and measure: mean, low, high, spread, n, seeds and verdict.

    mean, low, high: of ratios the geometric mean, of rates the mean, with its 95 % interval (NaN
    where nothing repeats). spread: standard deviation of a rate over models, NaN for ratios. n:
    models behind it; seeds: theirs, each with one benign model.
    verdict: of a ratio on its part of the claim, by its interval. Of the ASR of NGF, on the last
    layer or on one chosen by rule: the removal holds where it leaves at most `MOST_ASR`, SGD on the
    last layer leaves more, and it leaves less than SGD on the same models, all by their intervals;
    does not hold where one of these is resolved the other way. "" for other rates.
    """
    columns = ["dataset", "arch", "weights", "limit", "epochs", "part", "model", "measure", "mean",
               "low", "high", "spread", "n", "seeds", "verdict"]
    each = models(found).groupby(["dataset", "arch", "part", "model", "measure"])["seed"].unique()
    rows = []
    for one in found:
        for row in [*_ratio_rows(one), *_rate_rows(one)]:
            key = (one.dataset, one.arch, row["part"], row["model"], row["measure"])
            rows.append(one.about | row | {"seeds": ", ".join(map(str, sorted(each[key])))})
    return pd.DataFrame(rows, columns=columns)


def _ratio_rows(one: Size) -> list[dict[str, Any]]:
    return [{"part": _part(row["comparison"]), "model": row["comparison"], "mean": row["ratio"],
             "spread": math.nan} | {name: row[name] for name in (
                 "measure", "low", "high", "n", "verdict")}
            for _, row in verdicts(one.held_out).iterrows() if row["n"]]


def _rate_rows(one: Size) -> list[dict[str, Any]]:
    tables, rows = rates(one.cells), []
    for measure, table in tables.items():
        for model in table:
            mean = estimate(table[model], (0, 1))
            if mean.n:
                rows.append({"part": REMOVED, "model": model, "measure": measure,
                             "verdict": _removal(table, model) if measure == "asr" else ""}
                            | vars(mean))
    return rows


def rates(cells: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """ASR and ACC by attack and seed (rows) and entrant, on the models purified by NGF and SGD."""
    tables = {name: wide(cells, name) for name in ("asr", "acc")}
    if not {NGF, SGD} <= set(tables["asr"]):
        return {}
    both = tables["asr"].dropna(subset=[NGF, SGD]).index
    return {name: table.reindex(index=both, columns=[e for e in ENTRANTS if e in table])
            for name, table in tables.items()}


def _removal(asr: pd.DataFrame, entrant: str) -> str:
    if entrant not in (NGF, BY_RULE):
        return ""
    found = {verdict(estimate(asr[entrant] - MOST_ASR), -1),
             verdict(estimate(asr[SGD] - MOST_ASR), 1),
             verdict(difference(asr, entrant, SGD), -1)}
    return next(word for word in (FAILS, OPEN, HOLDS) if word in found)


def _part(comparison: str) -> str:
    return SHARPER if comparison == PARTS[SHARPER].model else FLATTER
