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
FEW, FEW_BASES = 4, 2  # cells at work, and bases of the estimate, that are named


def standing_lines(looked: Looked, chosen: Chosen) -> None:
    """All that stands above the heat map."""
    counts = looked.cells["state"].value_counts().to_dict()
    of = len(looked.cells)
    st.progress(counts.get(DONE, 0) / of, text=_counted(counts, of))
    st.caption(_hours(looked), help=TEXT["hours"])
    if looked.silent:
        st.warning(f"{unlinked(looked.silent)} {TEXT['silent']}",
                   title="What became of the jobs is not known", icon=":material/cloud_off:")
    running = looked.cells[looked.cells["state"] == RUNNING]
    if len(running):
        st.caption(_at_work(running))
    what, how = _go_on(counts)
    st.caption(TEXT[what])
    st.code(f"ngf sweep {how}{chosen.out}", language=None, wrap_lines=True)


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
    named = [f"{count:,} cell{'s' * (count > 1)}: {plain(basis[:1].lower() + basis[1:])}"
             for basis, count in bases[:FEW_BASES]]
    more = sum(count for _, count in bases[FEW_BASES:])
    return " ".join([f"{told}, about {_number(hours.left)} left.", *named,
                     *([f"{more:,} more: from the paces of other runs."] if more else [])])


def _number(hours: float) -> str:
    return f"{hours:,.1f}" if hours >= 0.1 else f"{hours:.2f}"


def _at_work(running: pd.DataFrame) -> str:
    named = [f"{cell_name(row)}{f' ({plain(row.said)})' if row.said else ''}"
             for row in running.head(FEW).itertuples()]
    more = f" and {len(running) - FEW:,} more" if len(running) > FEW else ""
    return f"{SIGNS[RUNNING]} Running: {'; '.join(named)}{more}."


def _go_on(counts: Mapping[str, int]) -> tuple[str, str]:
    """What can be done now, and the words that do it."""
    if counts.get(FAILED) or counts.get(MISSING):
        return "resubmit", "status --resubmit"
    if counts.get(QUEUED) or counts.get(RUNNING):
        return "wait", "status --wait"
    return "all done", "table"
