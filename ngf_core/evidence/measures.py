"""What the benchmark measures per cell, as one table per measure: attacks x seeds by entrants."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ngf_core.errors import NGFError
from ngf_core.evaluate.rates import RATES, Rate
from ngf_core.runs.files import RECEIVED

CELL = ["attack", "seed"]
BEFORE, BENIGN = RECEIVED, "benign"


@dataclass(frozen=True)
class Measure:
    """`unit` is "%" for a fraction, "s" for seconds, else empty; no value lies outside `limits`."""

    title: str
    unit: str
    higher_is_better: bool
    limits: tuple[float, float] = (0.0, math.inf)


# For the sharpness measures lower is flatter; whether flatter is better is an open question.
MEASURES = {
    "der": Measure("DER", "%", True, (0, 1)),
    "asr": Measure("ASR", "%", False, (0, 1)),
    "ra": Measure("RA", "%", True, (0, 1)),
    "acc": Measure("ACC", "%", True, (0, 1)),
    "acc_drop": Measure("ACC drop", "%", False, (-1, 1)),
    "lambda_max": Measure("λ_max", "", False),
    "trace": Measure("Trace", "", False),
    "cpu_seconds": Measure("Seconds", "s", False),
    "passes": Measure("Passes", "", False),
    "tuned": Measure("Tuned weights", "", False),
}


# A table holds a rate in two columns, its hits and its n.
COUNTS = tuple(f"{rate}_{part}" for rate in RATES for part in ("hits", "n"))


def counts_of(entry: Mapping[str, Any]) -> dict[str, int | None]:
    """The columns `COUNTS` of a manifest's entry; None where a rate was not measured."""
    rates = {name: Rate.from_json(entry.get(name)) for name in RATES}
    return {f"{name}_{part}": None if rate is None else getattr(rate, part)
            for name, rate in rates.items() for part in ("hits", "n")}


def rate_in(row: Mapping[str, Any], name: str) -> Rate | None:
    """The rate `name` of a table's row; None where it was not measured."""
    hits, n = row[f"{name}_hits"], row[f"{name}_n"]
    return None if pd.isna(hits) or pd.isna(n) else Rate(int(hits), int(n))


def wide(cells: pd.DataFrame, name: str) -> pd.DataFrame:
    """The measure `name` with one row per (attack, seed) and one column per entrant.

    Rates are hits / n; `acc_drop` is the ACC of the backdoored model of the cell minus that after
    the defense. NaN where a cell is missing, a rate has n = 0 or a model was not measured. The
    benign model of attack "none" has no trigger and no row. Raises NGFError where a cell occurs
    twice.
    """
    attacked = cells[cells["attack"] != "none"]
    if name == "acc_drop":
        acc = wide(cells, "acc")
        before = acc[BEFORE] if BEFORE in acc else pd.Series(float("nan"), acc.index)
        return acc.rsub(before, axis=0)
    if f"{name}_hits" in attacked:
        values = attacked[f"{name}_hits"].astype("Float64") / attacked[f"{name}_n"]
    else:
        values = attacked[name]
    if attacked.duplicated([*CELL, "entrant"]).any():
        raise NGFError("The table of the benchmark has a cell twice. Compute it again with "
                       "`python -m ngf_core benchmark`.")
    long = attacked[[*CELL, "entrant"]].assign(
        value=pd.to_numeric(values).astype("float64").to_numpy(na_value=float("nan")))
    return long.pivot(index=CELL, columns="entrant", values="value")
