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
    Arrays,
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
PLANES = {"models": "Through the models", "path": "Tuning paths", "random": "Random plane",
          "eigen": "Eigenvectors", "line": "Lines"}
DRAW = {"line": on_lines, "random": around_models, "eigen": around_models, "path": on_paths,
        "models": through_models}
# Planes that show the way from the received model to a purified one.
BETWEEN = ("models", "path")
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
    there = [plane for plane in planes if _is_there(plane, arrays)]
    with st.container(horizontal=True, key="landscape_controls"):
        plane = choose("plane", "Plane", planes, (there or list(planes))[0],
                       on_change=_own_images)
        told = "triggered" if plane in BETWEEN and "triggered" in images else "clean"
        shown = choose("loss", "Loss on", images, told, always=True) if plane != "line" else "both"
        log = choose("scale", "Loss axis", SCALES, "log") == "log"
    DRAW[plane](View(run, arrays, plane, shown, log))
    st.caption(f"{settings(run)}. {TEXT['caption'].format(dimensions=dimensions(run))}")
    st.page_link("app/views/spectrum.py", label="Read the spectrum", icon=":material/bar_chart:",
                 query_params={"run": run.config_as(LandscapeConfig).source})


def _own_images() -> None:
    """Let the plane that was chosen open on the images that it is about."""
    state.remember("loss_choice", None)
    state.write_url("loss", None)


def _planes(run: Run) -> dict[str, str]:
    """The planes requested, and the lines, in the order of the page."""
    return {name: label for name, label in PLANES.items()
            if name == "line" or name in run.config_as(LandscapeConfig).planes}


def _is_there(plane: str, arrays: Arrays) -> bool:
    """Whether a loss was computed on that plane: a run may have ended before."""
    word = "plane" if plane == "models" else plane
    return any(key.split(".")[-2:] == [word, images] for key in arrays for images in IMAGES)


guarded(page)()
