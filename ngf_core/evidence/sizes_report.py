"""The claim at all sizes in words and Markdown, for the documents: no result is typed by hand."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ngf_core.data import DATASETS
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.evidence.growth import HEAD, growth, growth_row
from ngf_core.evidence.markdown import markdown
from ngf_core.evidence.measures import BEFORE
from ngf_core.evidence.sizes import ENTRANTS as SHOWN
from ngf_core.evidence.sizes import FLATTER, PARTS, REMOVED, SHARPER, Size, datasets, means, sizes
from ngf_core.evidence.sizes_words import interval_text, sentence, training_text, weights_text
from ngf_core.evidence.verdict import (
    COMPARISONS,
    FAILS,
    HOLDS,
    MEASURES,
    OPEN,
    measure_title,
    verdicts,
)

SIGNS = {HOLDS: "✓ ", FAILS: "✗ ", OPEN: "○ "}


def claim_at_sizes(folder: Path) -> str:
    """What ships in sizes.md: for each part of the claim the sizes at which it holds, then the
    numbers. folder: of the main tables."""
    found = sizes(folder)
    table = means(found)
    told = "\n".join(f"- {sentence(table, part, dataset)}" for part in PARTS
                     for dataset in datasets(found))
    parts = [told, *([_ratios(table), _rates(table), _tally(found)] if len(table) else [])]
    if steps := growth(found):
        parts.append(markdown(HEAD, [growth_row(step) for step in steps]))
    return "\n\n".join(parts) + "\n"


def model_title(model: str) -> str:
    """"Backdoored", "NGF"."""
    return "backdoored" if model == BEFORE else ENTRANTS[model].title if model in ENTRANTS \
        else model


def pair_title(model: str) -> str:
    """"backdoored / benign"."""
    pair = COMPARISONS[model]
    return f"{model_title(pair.model)} / {model_title(pair.other)}"


def _ratios(table: pd.DataFrame) -> str:
    """One row per size and pair of models, one column per measure of sharpness."""
    rows = []
    part = table[table["part"].isin([SHARPER, FLATTER])]
    for _, of in part.groupby(["dataset", "weights", "model"], sort=False):
        first, known = of.iloc[0], of.set_index("measure")
        rows.append([*_where(first), pair_title(first["model"]),
                     *(_cell(known.loc[name]) if name in known.index else "not measured"
                       for name in MEASURES), str(of["n"].max()), first["seeds"]])
    return markdown(["data set", "weights", "ratio of", *map(measure_title, MEASURES), "n",
                     "seeds"], rows)


def _rates(table: pd.DataFrame) -> str:
    """One row per size, ASR and ACC of the received and of the purified models."""
    rows, removed = [], table[table["part"] == REMOVED]
    models = [name for name in SHOWN if name in set(removed["model"])]
    for _, of in removed.groupby(["dataset", "weights"], sort=False):
        first, known, most = of.iloc[0], of.set_index(["measure", "model"]), of["n"].max()
        rows.append([*_where(first), training_text(first),
                     *(_cell(known.loc[key], most) if (key := (measure, model)) in known.index
                       else "not measured" for measure in ("asr", "acc") for model in models),
                     str(most), first["seeds"]])
    return markdown(["data set", "weights", "training",
                     *(f"{measure} % {model_title(model)}" for measure in ("ASR", "ACC")
                       for model in models), "n", "seeds"], rows)


def _tally(found: Sequence[Size]) -> str:
    """How many readings hold, fail and are not resolved: all measures, on both sets of images, at
    the sizes with more than one model."""
    each = pd.concat(verdicts(one.claim) for one in found)
    rows = [[pair_title(model), parameters, str(len(of)),
             *(str((of["verdict"] == word).sum()) for word in SIGNS)]
            for (model, parameters), of in each[each["n"] > 1].groupby(
                ["comparison", "parameters"], sort=False)]
    return markdown(["readings of", "parameters", "in all",
                     *(f"{SIGNS[word]}{told}" for word, told in (
                         (HOLDS, "as claimed"), (FAILS, "the other way"), (OPEN, "not resolved")))],
                    rows)


def _where(row: pd.Series) -> list[str]:
    return [DATASETS[row["dataset"]].title, weights_text(row["arch"])]


def _cell(row: pd.Series, most: int = 0) -> str:
    """The verdict's sign, the mean with its interval, a rate's spread over models, and how many
    models these are where others of the same line have `most`, which is more."""
    spread = "" if pd.isna(row["spread"]) else f" ± {100 * row['spread']:.1f}"
    fewer = f" (n = {row['n']})" if row["n"] < most else ""
    return SIGNS.get(row["verdict"], "") + interval_text(row) + spread + fewer
