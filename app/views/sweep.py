"""Sweep: where each cell of a grid of runs stands, while it is computed here or elsewhere."""

import pandas as pd
import streamlit as st

from app import state
from app.figures.origin import Origin
from app.figures.sweep import SHOWN, STATE
from app.read.sweep import look
from app.text import sections
from app.widgets.controls.address import choose
from app.widgets.controls.notice import guarded
from app.widgets.runs.run_name import dataset_name, titles
from app.widgets.sweep.failed_cells import failed_cells
from app.widgets.sweep.grid_card import grid_card
from app.widgets.sweep.one_cell import one_cell
from app.widgets.sweep.standing_lines import live, standing_lines
from app.widgets.sweep.which_sweep import Chosen, which_sweep
from ngf_core.models import ARCHITECTURES

TEXT = sections("sweep")
LOOK_EVERY = 5.0  # seconds, while a cell is queued or running


def page() -> None:
    """The sweep in ?sweep= or ?folder=."""
    st.title(TEXT["title"], anchor=False)
    st.markdown(TEXT["intro"])
    chosen = which_sweep()
    if chosen is None:
        _for_newcomers()
        return
    with st.spinner("Reading the run directories"):
        looked = look(str(chosen.folder), state.readings(chosen.folder))
    every = LOOK_EVERY if live(looked) else None
    st.fragment(guarded(_standing), run_every=every)(chosen, every is not None)


def _standing(chosen: Chosen, waits: bool) -> None:
    """Everything that changes while cells are computed."""
    looked = look(str(chosen.folder), state.readings(chosen.folder))
    if waits and not live(looked):
        st.rerun()  # nobody waits any more
    standing_lines(looked, chosen)
    cells, show = _asked(looked.cells)
    origin = Origin({"Sweep": chosen.name, "n": f"{len(cells):,} cells"},
                    f"ngf sweep table{chosen.out}")
    grid_card(cells, show, origin)
    failed_cells(looked.cells, origin)
    one_cell(cells, chosen)


def _asked(cells: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The cells of the chosen data set and network, and what their colour is to mean."""
    datasets = {name: dataset_name(name) for name in cells["dataset"].unique()}
    networks = {name: titles(ARCHITECTURES).get(name, name) for name in cells["network"].unique()}
    with st.container(horizontal=True, vertical_alignment="bottom", key="sweep_filters"):
        dataset = choose("grid_dataset", "Data set", datasets, next(iter(datasets))) \
            if len(datasets) > 1 else next(iter(datasets))
        network = choose("grid_network", "Network", networks, next(iter(networks))) \
            if len(networks) > 1 else next(iter(networks))
        show = choose("show", "Colour", SHOWN, STATE)
    return cells[(cells["dataset"] == dataset) & (cells["network"] == network)], show


def _for_newcomers() -> None:
    st.info(TEXT["none"], icon=":material/grid_on:")
    st.code(TEXT["example"], language=None)
    st.markdown(TEXT["start"])
    st.code(TEXT["commands"], language=None)


guarded(page)()
