"""How far a sweep is: how many cells stand where, hours, what runs now, how to go on."""

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from app.figures.sweep import SIGNS
from app.read.sweep import Looked
from app.text import sections
from app.text.outside import plain, unlinked
from app.widgets.sweep.names import cell_name
from app.widgets.sweep.which_sweep import Chosen
from ngf_core.sweep.cell_states import DONE, FAILED, MISSING, QUEUED, RUNNING, STATES

TEXT = sections("sweep")
FEW = 4  # cells at work that are named, and bases of the estimate


def standing_lines(looked: Looked, chosen: Chosen) -> None:
    """All that stands above the heat map."""
    counts = looked.cells["state"].value_counts().to_dict()
    of = len(looked.cells)
    st.progress(counts.get(DONE, 0) / of, text=_counted(counts, of))
    st.caption(_hours(looked), help=TEXT["hours"])
    if looked.silent:
        st.warning(f"{unlinked(looked.silent)} {TEXT['silent']}", title="Slurm could not be asked",
                   icon=":material/cloud_off:")
    running = looked.cells[looked.cells["state"] == RUNNING]
    if len(running):
        st.caption(_at_work(running))
    st.code(f"ngf sweep {_go_on(counts)}{chosen.out}", language="bash", wrap_lines=True)


def live(looked: Looked) -> bool:
    """Whether a cell is queued or running."""
    return bool(looked.cells["state"].isin((QUEUED, RUNNING)).any())


def _counted(counts: Mapping[str, int], of: int) -> str:
    parts = [f"{SIGNS[state]} {counts.get(state, 0):,} {state}" for state in STATES]
    return f"**{parts[0]}** of {of:,} cells, {', '.join(parts[1:])}"


def _hours(looked: Looked) -> str:
    hours = looked.hours
    told = f":material/schedule: {_number(hours.spent)} core hours spent"
    if not hours.bases:
        return told + "."
    bases = sorted(hours.bases.items(), key=lambda one: -one[1])
    basis, count = bases[0]
    more = "" if len(bases) == 1 else \
        f" {sum(hours.bases.values()) - count:,} other cells: from {len(bases) - 1} more."
    return (f"{told}, about {_number(hours.left)} left. {count:,} "
            f"cell{'s' * (count > 1)}: {plain(basis)}{more}")


def _number(hours: float) -> str:
    return f"{hours:,.1f}" if hours >= 0.1 else f"{hours:.2f}"


def _at_work(running: pd.DataFrame) -> str:
    named = [f"{cell_name(row)}{f' ({plain(row.said)})' if row.said else ''}"
             for row in running.head(FEW).itertuples()]
    more = f" and {len(running) - FEW:,} more" if len(running) > FEW else ""
    return f"{SIGNS[RUNNING]} Running: {'; '.join(named)}{more}."


def _go_on(counts: Mapping[str, int]) -> str:
    if counts.get(FAILED) or counts.get(MISSING):
        return "status --resubmit"
    return "status --wait" if counts.get(QUEUED) or counts.get(RUNNING) else "table"
