"""Landscape: the loss along lines and paths, and on planes around and between the models."""

import streamlit as st

from app import state
from app.read.dimensions import dimensions
from app.text import sections
from app.widgets.controls.address import choose
from app.widgets.controls.notice import guarded
from app.widgets.curvature.measurement import measurement, settings
from app.widgets.curvature.plane_cards import (
    IMAGES,
    View,
    around_models,
    live_surface,
    on_lines,
    on_paths,
    through_models,
)
from ngf_core.config import LandscapeConfig
from ngf_core.runs import Run

TEXT = sections("landscape")
FORM = {"planes": "Planes", "mode": "Points", "grid": "Points per side", "samples": "Images",
        "span": "Half width", "vectors": "Biases, BatchNorm", "bound": "Preview's bound",
        "memory": "Memory (GB)", "seed": "Seed"}
PLANES = {"line": "Lines", "random": "Random plane", "eigen": "Eigenvectors",
          "path": "Tuning paths", "models": "Through the models"}
DRAW = {"line": on_lines, "random": around_models, "eigen": around_models, "path": on_paths,
        "models": through_models}
SCALES = {"log": "Log", "linear": "Linear"}


def page() -> None:
    """Choose models, choose a plane, show the loss."""
    st.title(TEXT["title"])
    st.markdown(TEXT["intro"])
    run = measurement(LandscapeConfig, FORM, TEXT["empty"], draw=live_surface, again="Resume")
    if run is None:
        return
    arrays = state.arrays(run, "landscape")
    images = {kind: label for kind, label in IMAGES.items()
              if any(key.endswith(f".{kind}") for key in arrays)}
    planes = _planes(run)
    with st.container(horizontal=True, key="landscape_controls"):
        plane = choose("plane", "Plane", planes, next(p for p in (*planes, "line") if p != "line"))
        shown = choose("loss", "Loss on", images, "clean") if plane != "line" else "both"
        log = choose("scale", "Loss axis", SCALES, "log") == "log"
    DRAW[plane](View(run, arrays, plane, shown, log))
    st.caption(f"{settings(run)}. {TEXT['caption'].format(dimensions=dimensions(run))}")
    st.page_link("app/views/spectrum.py", label="Read the spectrum", icon=":material/bar_chart:",
                 query_params={"run": run.config_as(LandscapeConfig).source})


def _planes(run: Run) -> dict[str, str]:
    """The lines, and the planes requested, in the order of the page."""
    return {name: label for name, label in PLANES.items()
            if name == "line" or name in run.config_as(LandscapeConfig).planes}


guarded(page)()
