"""A comparison in words and as a table, for the command line, the page and files."""

import math
from collections.abc import Sequence

import pandas as pd

from ngf_core.compare.differences import Comparison, Row
from ngf_core.compare.intervals import IMAGES, POINTS, REPEATS
from ngf_core.compare.readings import model_title
from ngf_core.text_table import aligned

UNITS = {POINTS: "percentage points", "ratio": "ratio"}
COLUMNS = ["model", "measure", "runs", "baseline", "value", "value of the baseline", "change",
           "low", "high", "unit", "interval over", "resolved", "n", "run ids", "baseline ids",
           "settings that differ", "command"]


def text(found: Comparison, model: str = "") -> str:
    """The whole comparison; of one model where it is named."""
    names = [[letter, name, "baseline" if name == found.baseline else ""]
             for name, letter in found.letters.items()]
    parts = [aligned(names), aligned(settings_rows(found)) if found.settings else
             "The runs have the same settings."]
    rows = [row for row in found.rows if model in ("", row.model)]
    parts.append(aligned(difference_rows(found, rows)) if rows else
                 "There is nothing to subtract.")
    parts += ["\n".join((head, *lines)) for head, lines in (
        ("Not subtracted:", found.refused), ("To be noted:", (*found.notes, *limits(rows))))
        if lines]
    return "\n\n".join(parts)


def settings_rows(found: Comparison) -> list[list[str]]:
    """The differing settings, a head first: one column per run."""
    return [["of", "setting", *found.letters.values()],
            *([one.of, one.name, *one.values] for one in found.settings)]


def difference_rows(found: Comparison, rows: Sequence[Row]) -> list[list[str]]:
    """The rows in words, a head first."""
    return [["model", "measure", "runs", "change", "baseline", "value", "interval over", "n"],
            *([model_title(row.model), row.title, letters(found, row.runs), change(row),
               _with(letters(found, row.base_runs), level(row, row.base)), level(row, row.value),
               over(row), f"{row.n:,}"] for row in rows)]


def letters(found: Comparison, ids: Sequence[str]) -> str:
    """ "B, D" for two runs."""
    return ", ".join(sorted(dict.fromkeys(found.letters[name] for name in ids)))


def level(row: Row, value: float) -> str:
    """A value as people read it: "91.0 %", "118"; "" for none."""
    if math.isnan(value):
        return ""
    return f"{100 * value:.1f} %" if row.unit == POINTS else f"{value:.4g}"


def change(row: Row) -> str:
    """The change with its 95 % interval: "−7.0 [−8.1, −6.2] points", "×0.55 [0.30, 1.0]"; of
    repeats alone the interval of the value."""
    alone = math.isnan(row.change)
    if row.unit == POINTS:
        form, unit = _percent if alone else _signed, " %" if alone else " points"
        middle, *ends = (form(100 * end) for end in (row.change, row.low, row.high))
    else:
        unit = ""
        middle, *ends = (f"{end:.3g}" for end in (row.change, row.low, row.high))
        middle = f"×{middle}"
    interval = "no interval" if math.isnan(row.low) else f"[{', '.join(ends)}]"
    return (interval if alone else f"{middle} {interval}") + unit


def _percent(value: float) -> str:
    return f"{value:.1f}"


def _signed(value: float) -> str:
    """With a sign, except for what rounds to zero."""
    return "0.0" if abs(value) < 0.05 else f"{value:+.1f}".replace("-", "−")


def over(row: Row) -> str:
    """What the interval is over: "images, one training seed", "3 training seeds"."""
    if row.over == IMAGES:
        return "images, one training seed" if not math.isnan(row.low) else "no error was recorded"
    if row.over == REPEATS:
        return f"{row.count} repeats, one training seed"
    return f"{row.count} training seeds"


def limits(rows: Sequence[Row]) -> list[str]:
    """What the intervals do not say, one sentence each."""
    kinds = {row.over for row in rows}
    said = []
    if IMAGES in kinds:
        said.append("One training seed: the interval is over the images alone, so another model "
                    "trained in the same way may differ by more. Both models are taken as measured "
                    "on different images.")
    if REPEATS in kinds:
        said.append("Repeats of one training seed say nothing about other models.")
    if len(rows) > 1:
        said.append("No correction is made for the number of differences.")
    return said


def table(found: Comparison, rows: Sequence[Row]) -> pd.DataFrame:
    """The rows as numbers: rates and their changes in percent and percentage points, sharpness as
    it is and as ratios; each row with its runs, n, the differing settings and the command."""
    differ = "; ".join(f"{one.of}: {one.name} = {' | '.join(one.values)}" for one in found.settings)
    return pd.DataFrame([_numbers(found, row, differ) for row in rows], columns=COLUMNS)


def _numbers(found: Comparison, row: Row, differ: str) -> list[object]:
    factor = 100 if row.unit == POINTS else 1
    return [model_title(row.model), row.title, letters(found, row.runs),
            letters(found, row.base_runs), *(factor * value for value in (
                row.value, row.base, row.change, row.low, row.high)), UNITS[row.unit], over(row),
            row.resolved, row.n, " ".join(row.runs), " ".join(row.base_runs), differ, found.command]


def _with(runs: str, value: str) -> str:
    return f"{runs}: {value}" if runs else ""
