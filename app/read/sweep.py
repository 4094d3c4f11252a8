"""A sweep as its page shows it: where each cell stands, its rates, and the hours."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from app.read.slurm_answer import asking
from ngf_core.errors import NGFError
from ngf_core.evidence.measures import COUNTS
from ngf_core.launch.submitted import Submitted
from ngf_core.runs import ManifestReadings, StoreSnapshot
from ngf_core.sweep.unasked import unasked

if TYPE_CHECKING:
    from ngf_core.sweep.plan import Hours
    from ngf_core.sweep.states import CellState

COLUMNS = ("dataset", "network", "attack", "seed", "method", "state", "said", "run")
FRESH = 2.0  # seconds for which all sessions share one look


@dataclass(frozen=True)
class Looked:
    """A sweep as of one moment.

    cells: one row per cell with `COLUMNS` and, where it is finished, `COUNTS`; the method of a
    trained model is "". silent: why Slurm could not be asked; "" where it was, or was not needed.
    """

    cells: pd.DataFrame
    hours: "Hours"
    silent: str


@st.cache_resource(ttl=FRESH, max_entries=8, show_spinner=False)
def look(folder: str, _readings: ManifestReadings) -> Looked:
    """The sweep in a folder of runs, in which nothing is written. Raises RunError where there is
    none."""
    from ngf_core.sweep.plan import hours  # these need torch
    from ngf_core.sweep.states import states
    from ngf_core.sweep.sweep import sweep_in

    sweep = sweep_in(Path(folder))
    now, why = StoreSnapshot(sweep.store, _readings), []

    def ask(submissions: Path) -> dict[str, Submitted]:
        try:
            return dict(asking(str(submissions)).answer())
        except NGFError as error:
            why.append(str(error))
        try:
            return unasked(submissions, now)
        except NGFError:  # a batch that cannot be read, which the first error has told
            return {}

    found = states(sweep.grid, now, sweep.folder, ask)
    return Looked(_frame(found, now), hours(found, now, sweep.launch.cores), "".join(why))


def _frame(found: "list[CellState]", now: StoreSnapshot) -> pd.DataFrame:
    from ngf_core.sweep.table import sweep_table

    rows = [(one.cell.dataset, one.cell.arch, one.cell.attack, one.cell.seed, one.cell.entrant,
             one.state, one.said, one.cell.run_id) for one in found]
    cells = pd.DataFrame(rows, columns=list(COLUMNS))
    return cells.merge(sweep_table(found, now)[["run", *COUNTS]], on="run", how="left")
