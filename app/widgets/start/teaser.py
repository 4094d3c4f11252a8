"""A preview of landscape and spectrum, from the finished runs that measured a race's models."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from app import state
from app.figures import landscape, spectrum
from app.read.once import once
from app.text import define
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from ngf_core.config import SpectrumConfig
from ngf_core.runs import Run

SHOWN = ("before", "ngf")


def landscape_teaser(race: Run, prose: str) -> None:
    """The contours of the received and the NGF model side by side, if they were computed."""
    run = _measured("landscape", "Landscape", race)
    if run is None:
        return
    arrays = state.arrays(run, "landscape")
    losses = {m: arrays[f"{m}.random.clean"] for m in SHOWN if f"{m}.random.clean" in arrays}
    if not losses:
        st.caption("The random plane of this race was not measured.")
        return
    figure = once(_contours, arrays["xs"], arrays["ys"], losses, is_dark())
    models = "before and after NGF" if "ngf" in losses else "before any defense"
    figure_card(figure, key="teaser_contours", caption=prose, filename=f"landscape-{run.id}",
                alt=f"Contours of the clean loss around the model {models}.",
                table=landscape.plane_table(arrays["xs"], arrays["ys"], losses))
    st.page_link("app/views/landscape.py", label="Explore this landscape",
                 icon=":material/terrain:", query_params={"run": run.id})


def _contours(xs: np.ndarray, ys: np.ndarray, losses: dict[str, np.ndarray], dark: bool
              ) -> go.Figure:
    row = landscape.contour_row(xs, ys, losses, log=True, dark=dark)
    return row.update_layout(height=360)


def spectrum_teaser(race: Run, prose: str) -> None:
    """λ_max and trace of every model of the race as tiles, if they were computed."""
    run = _measured("spectrum", "Sharpness", race)
    if run is None:
        return
    arrays = state.arrays(run, "spectrum")
    parts = ("eigenvalues", "residuals", "trace")
    models = {str(m): {part: arrays[f"{m}.{part}"] for part in parts} for m in arrays["models"]}
    st.caption(f"{prose} n = {run.config_as(SpectrumConfig).samples:,} images.")
    with st.grid(columns=2, min_column_width=150, key="teaser_tiles"):
        for tile in spectrum.tiles(models):
            word = {"trace": "Trace"}.get(tile.measure, tile.measure)
            st.metric(f"{tile.model} {tile.measure}", tile.text,
                      help=f"{define(word)}\n\nThe error is the {tile.note}.")
    st.page_link("app/views/spectrum.py", label="Explore this spectrum",
                 icon=":material/bar_chart:", query_params={"run": run.id})


def _measured(kind: str, title: str, race: Run) -> Run | None:
    """The newest finished measurement of a race's models under its title; notes a missing one."""
    st.subheader(title, anchor=False)
    found = next((run for run in state.store().list(kind)
                  if run.state == "done" and run.manifest["source"] == race.id), None)
    if found is None:
        st.caption(f"The {kind} of this race was not measured.")
    return found
