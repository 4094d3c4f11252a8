"""The results of a sweep: one row per finished cell."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.evidence.measures import BEFORE, COUNTS, counts_of
from ngf_core.runs import RunStore
from ngf_core.runs.files import model_entry
from ngf_core.sweep.cell_states import DONE
from ngf_core.sweep.states import CellState

COLUMNS = ["dataset", "network", "attack", "seed", "method", *COUNTS, "run"]


def sweep_table(found: Iterable[CellState], store: RunStore) -> pd.DataFrame:
    """ACC, ASR and RA of every finished cell, as hits and n; the method of a trained model is "".
    """
    rows: list[dict[str, Any]] = []
    for one in found:
        if one.state != DONE:
            continue
        cell, results = one.cell, store.get(one.cell.run_id).results
        entry = results.get(ENTRANTS[cell.entrant].method if cell.entrant
                            else model_entry("train", BEFORE))
        rows.append({"dataset": cell.dataset, "network": cell.arch, "attack": cell.attack,
                     "seed": cell.seed, "method": cell.entrant, "run": cell.run_id}
                    | counts_of(entry if isinstance(entry, dict) else {}))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.astype(dict.fromkeys(COUNTS, "Int64"))


def as_text(table: pd.DataFrame) -> Sequence[list[str]]:
    """The table with its rates in percent, for a terminal."""
    rates = [name.removesuffix("_n") for name in COUNTS if name.endswith("_n")]
    head = ["dataset", "network", "attack", "seed", "method", *(name.upper() for name in rates)]
    return [head] + [[str(row[name]) for name in head[:5]]
                     + [_percent(row[f"{name}_hits"], row[f"{name}_n"]) for name in rates]
                     for row in table.to_dict("records")]


def _percent(hits: Any, n: Any) -> str:
    return "-" if pd.isna(n) or not n else f"{100 * hits / n:.1f}"
