"""Tables made earlier, completed: the runs behind them may lie on another machine or be gone.

Runs are large and stay where they were computed; tables travel. What a table said before is kept
where no run of today takes its place and it still speaks of the same models under the same
settings. Two models of one cell are the same where their ACC, ASR and RA are: whoever trains anew
on the same kind of processor gets the same weights bit for bit, and else other rates.
"""

from collections.abc import Sequence

import pandas as pd

from ngf_core.attacks import ATTACKS
from ngf_core.benchmark.entrants import ENTRANTS
from ngf_core.benchmark.measures import BEFORE, BENIGN, CELL
from ngf_core.cli import command_line
from ngf_core.errors import NGFError

COUNTS = [f"{rate}_{part}" for rate in ("acc", "asr", "ra") for part in ("hits", "n")]
SHARPNESS = ["lambda_max", "lambda_max_error", "trace", "trace_error"]
ROW = [*CELL, "entrant"]
# Whose row in `cells` a model of the claim is.
ROWS_OF = {"benign": BENIGN, "backdoored": BEFORE}


def completed_cells(new: pd.DataFrame, earlier: pd.DataFrame) -> pd.DataFrame:
    """The rows of `new` and those of `earlier` that still hold, in the order of the registries.

    Of an attack and seed for which `new` has a backdoored model, earlier rows hold if it is the
    same one. A purified row must have the settings of today, and an ablation on the layer that NGF
    chose that layer. A new row that has not been measured takes the earlier sharpness of the same
    model. Raises NGFError where the two are of other data sets or architectures.
    """
    kinds = {kind for table in (new, earlier) for kind in zip(table.dataset, table.arch)}
    if len(kinds) > 1:
        raise NGFError("The tables there are of another data set or architecture ("
                       + ", ".join(" ".join(kind) for kind in sorted(kinds))
                       + "). Name another folder with --tables.")
    was = earlier.set_index(ROW)[COUNTS]
    same = _same(new.set_index(ROW)[COUNTS], was)
    other = {key[:2] for key in same.index[~same] if key[2] == BEFORE and key in was.index}
    known = set(map(tuple, new[ROW].itertuples(index=False)))
    open_ = [key not in known and key[:2] not in other for key in was.index]
    table = _joined(new, earlier[open_])
    layers = table[table.entrant == "ngf"].set_index(CELL)["layer"].to_dict()
    table = table[[_of_today(row, layers) for row in table.itertuples()]]
    return _ordered(_measured(table, earlier, same))[list(new)]


def completed_claim(new: pd.DataFrame, earlier: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """The rows of `new` and those of `earlier` about models and tuned layers that `cells` has."""
    key = ["attack", "seed", "model", "images", "parameters", "measure"]
    rates = _rates(cells)
    layers = cells[cells.entrant == "ngf"].set_index(CELL)["layer"].to_dict()
    known = set(map(tuple, new[key].itertuples(index=False)))
    holds = [tuple(row[k] for k in key) not in known
             and _is(rates, (row["attack"], row["seed"], ROWS_OF.get(row["model"], row["model"])),
                     row["asr"], row["acc"])
             and (row["parameters"] == "all"
                  or row["layer"] == layers.get((row["attack"], row["seed"])))
             for row in earlier.to_dict("records")]
    return _joined(new, earlier[holds])


def completed_path(new: pd.DataFrame, earlier: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """The paths of `new` and those of `earlier` that end at a model that `cells` has."""
    rates, known = _rates(cells), set(map(tuple, new[ROW].itertuples(index=False)))
    kept = [part for key, part in earlier.groupby(ROW, sort=False)
            if key not in known and _is(rates, key, *part.iloc[-1][["asr", "acc"]])]
    return _joined(new, *kept)


def _same(one: pd.DataFrame, other: pd.DataFrame) -> pd.Series:
    """Whether each row of `one` is in `other` with equal counts, where None equals None."""
    there = other.reindex(one.index)
    equal = ((one == there) | (one.isna() & there.isna())).fillna(False).all(axis=1)
    return equal & one.index.isin(other.index)


def _of_today(row: object, layers: dict[tuple[str, int], str]) -> bool:
    """Whether a purified row is what its entrant would be asked to do today."""
    if row.group == "model":
        return True
    entrant = ENTRANTS.get(row.entrant)
    if entrant is None or entrant.layer_of and row.layer != layers.get((row.attack, row.seed)):
        return False
    source = row.run.removesuffix(f"-{row.entrant}") + "-train"
    return row.command == command_line(entrant.config(source, row.seed, row.layer),
                                       row.arch)


def _measured(table: pd.DataFrame, earlier: pd.DataFrame, same: pd.Series) -> pd.DataFrame:
    figures = earlier.set_index(ROW)[SHARPNESS]
    table = table.set_index(ROW)
    bare = [key for key in same.index[same] if key in table.index
            and pd.isna(table.loc[key, "lambda_max"])]
    table.loc[bare, SHARPNESS] = figures.loc[bare]
    return table.reset_index()


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Seed by seed, the models first, then entrant by entrant and attack by attack."""
    entrants = {name: place for place, name in enumerate((BENIGN, BEFORE, *ENTRANTS))}
    attacks = {name: place for place, name in enumerate(("none", *ATTACKS))}
    place = pd.DataFrame({"seed": table.seed, "entrant": table.entrant.map(entrants).clip(lower=1),
                          "attack": table.attack.map(attacks), "floor": table.entrant == BENIGN})
    return table.loc[place.sort_values(list(place), kind="stable").index].reset_index(drop=True)


def _rates(cells: pd.DataFrame) -> dict[tuple[str, int, str], tuple[float, float]]:
    return {tuple(row[k] for k in ROW): tuple(_share(row[f"{rate}_hits"], row[f"{rate}_n"])
                                              for rate in ("asr", "acc"))
            for row in cells.to_dict("records")}


def _is(rates: dict, key: tuple[str, int, str], asr: float, acc: float) -> bool:
    found = rates.get(key)
    return found is not None and abs(found[0] - asr) < 1e-9 and abs(found[1] - acc) < 1e-9


def _share(hits: object, n: object) -> float:
    return float("nan") if pd.isna(hits) or not n else hits / n


def _joined(*tables: pd.DataFrame) -> pd.DataFrame:
    """One below the other, with the columns and their types of the first."""
    rows: Sequence[pd.DataFrame] = [table for table in tables if len(table)]
    if not rows:
        return tables[0]
    return pd.concat([table[list(tables[0])] for table in rows], ignore_index=True)
