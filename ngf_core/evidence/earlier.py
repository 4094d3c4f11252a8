"""Earlier tables, completed: the runs behind them may be on another machine or deleted.

Runs are large and stay where they were computed; tables travel. An existing row is kept where no
current run replaces it, its settings are the current ones, and the models it describes are those of
the other rows. `settings`, `weights` (its model's) and `received` (those of the backdoored model it
comes from) are hashes, so that this can be checked without the runs; "" in a row that is older than
these columns.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ngf_core.attacks import ATTACKS
from ngf_core.errors import NGFError
from ngf_core.evidence.cells import Cell
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.evidence.measures import BEFORE, BENIGN, CELL
from ngf_core.evidence.table import SHARPNESS, headline

KEYS = {"cells": [*CELL, "entrant"], "path": [*CELL, "entrant", "step"],
        "claim": [*CELL, "model", "images", "parameters", "measure"]}
# Which row of `cells` a model of the claim has.
ROWS_OF = {"benign": BENIGN, "backdoored": BEFORE}


def completed_cells(new: pd.DataFrame, earlier: pd.DataFrame,
                    training: Mapping[str, int] | None = None) -> pd.DataFrame:
    """The rows of `new` and those of `earlier` that still hold, in the order of the registries.

    A new row that has not been measured takes the earlier sharpness of the same weights. training:
    `limit` and `epochs` of the cells in both tables where they are not the usual ones. Raises
    NGFError where `earlier` is not a table of cells.
    """
    _check("cells", earlier, new)
    earlier = earlier[earlier.attack.isin(["none", *ATTACKS])]
    floor = (earlier.entrant == BENIGN) & (earlier.attack != "none")
    model = (earlier.group == "model") & ~floor
    followers = [name for name, entrant in ENTRANTS.items() if entrant.layer_of]
    on_anothers_layer = earlier.entrant.isin(followers)
    table, training = new, training or {}
    for part, holds in ((model, _trained_as_today), (floor, _floor_holds),
                        (~model & ~floor & ~on_anothers_layer, _purified_holds),
                        (~model & ~floor & on_anothers_layer, _purified_holds)):
        known = table.set_index(KEYS["cells"])
        table = _with(table, earlier[part], "cells", partial(holds, known=known, training=training))
    there = earlier[earlier.lambda_max.notna() & (earlier.weights != "")]
    known = there.drop_duplicates("weights").set_index("weights")[SHARPNESS]
    return _ordered(_measured(table, table.weights, known))


def with_claim(cells: pd.DataFrame, claim: pd.DataFrame) -> pd.DataFrame:
    """The cells with the claim's figures of their models where they have none of their own: both
    tables report one measurement, and the runs behind it may be deleted.

    claim: completed with these cells, so that its rows are about their models.
    """
    rows = claim[claim.parameters == "all"]
    entrants, trained = rows.model.replace(ROWS_OF), rows.model == BENIGN
    names = _names(rows.attack.mask(trained, "none"), rows.seed, entrants)
    return _measured(cells, _names(cells.attack, cells.seed, cells.entrant),
                     headline(rows.assign(model=names)))


def _names(attacks: pd.Series, seeds: pd.Series, entrants: pd.Series) -> pd.Series:
    return attacks.astype(str) + " " + seeds.astype(str) + " " + entrants.astype(str)


def completed(name: str, new: pd.DataFrame, earlier: pd.DataFrame, cells: pd.DataFrame
              ) -> pd.DataFrame:
    """The table `name`, "path" or "claim": the rows of `new`, and those of `earlier` about models,
    and in layers, that `cells` has."""
    _check(name, earlier, new)
    known = cells.set_index(KEYS["cells"])

    def holds(row: Any) -> bool:
        model = row.entrant if name == "path" else ROWS_OF.get(row.model, row.model)
        tuned = _of(known, row, "ngf", "layer")
        return row.weights == _of(known, row, model, "weights") and (
            getattr(row, "parameters", "all") == "all" or row.layer == tuned)

    return _with(new, earlier, name, holds)


def lost(tables: dict[str, pd.DataFrame], earlier: dict[str, pd.DataFrame]) -> list[str]:
    """The runs of the purified rows that `earlier` has and `tables` lack."""
    def purified(cells: pd.DataFrame) -> dict[tuple, str]:
        rows = cells[cells.group != "model"]
        return dict(zip(rows[KEYS["cells"]].itertuples(index=False, name=None), rows.run))

    left = purified(tables["cells"])
    return [run for key, run in purified(earlier["cells"]).items() if key not in left]


def _trained_as_today(row: Any, known: pd.DataFrame, training: Mapping[str, int]) -> bool:
    cell = Cell(row.dataset, row.arch, row.attack, row.seed, "", **training)
    return row.settings == cell.settings()


def _floor_holds(row: Any, known: pd.DataFrame, training: Mapping[str, int]) -> bool:
    benign = known["weights"].get(("none", row.seed, BENIGN))
    return row.weights == benign and row.received == _of(known, row, BEFORE, "weights")


def _purified_holds(row: Any, known: pd.DataFrame, training: Mapping[str, int]) -> bool:
    entrant = ENTRANTS.get(row.entrant)
    if entrant is None or row.received != _of(known, row, BEFORE, "weights"):
        return False
    if entrant.layer_of and row.layer != _of(known, row, entrant.layer_of, "layer"):
        return False
    cell = Cell(row.dataset, row.arch, row.attack, row.seed, row.entrant, **training)
    return row.settings == cell.settings(row.layer)


def _of(known: pd.DataFrame, row: Any, entrant: str, column: str) -> Any:
    """That column of the entrant's row for the same attack and seed; None where there is no row."""
    return known[column].get((row.attack, row.seed, entrant))


def _with(new: pd.DataFrame, earlier: pd.DataFrame, name: str, holds: Callable[[Any], bool]
          ) -> pd.DataFrame:
    """`new`, and below it the rows of `earlier` that it lacks and that hold, with its types."""
    known = set(new[KEYS[name]].itertuples(index=False, name=None))
    keys = earlier[KEYS[name]].itertuples(index=False, name=None)
    kept = np.array([key not in known and holds(row) for key, row in
                     zip(keys, earlier.itertuples(index=False), strict=True)], dtype=bool)
    rows = earlier.loc[kept, list(new)]
    if new.empty or rows.empty:
        return rows if new.empty else new
    return pd.concat([new, rows.astype(new.dtypes)], ignore_index=True)


def _check(name: str, earlier: pd.DataFrame, new: pd.DataFrame) -> None:
    missing = [column for column in new if column not in earlier]
    if missing:
        raise NGFError(f"{name}.parquet has no column {missing[0]}: it is older than this version, "
                       "or not a table of the benchmark. Name another folder with --tables.")
    if earlier.duplicated(KEYS[name]).any():
        raise NGFError(f"{name}.parquet has a row twice. Restore it from a copy, or name another "
                       "folder with --tables.")


def _measured(table: pd.DataFrame, names: pd.Series, known: pd.DataFrame) -> pd.DataFrame:
    """The table with the columns of `known`, found by name, in the rows without sharpness."""
    bare = table.lambda_max.isna() & names.isin(known.index)
    # A benign model under a trigger is the same model as without, and its row repeats no figure.
    bare &= (table.entrant != BENIGN) | (table.attack == "none")
    table = table.copy()
    table.loc[bare, SHARPNESS] = known.loc[names[bare], SHARPNESS].to_numpy()
    return table


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Seed by seed: the models with their floors attack by attack, then entrant by entrant."""
    entrants = {name: place for place, name in enumerate(ENTRANTS)}
    attacks = {name: place for place, name in enumerate(("none", *ATTACKS))}
    place = pd.DataFrame({"seed": table.seed, "entrant": table.entrant.map(entrants).fillna(-1),
                          "attack": table.attack.map(attacks), "floor": table.entrant == BENIGN})
    return table.loc[place.sort_values(list(place), kind="stable").index].reset_index(drop=True)
