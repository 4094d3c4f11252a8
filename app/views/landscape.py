"""Landscape: the loss along a line, on a random plane and on the plane through the models."""

import numpy as np
import streamlit as st

from app import state
from app.dimensions import dimensions
from app.figures import landscape as figures
from app.text import sections
from app.widgets.address import choose
from app.widgets.appearance import is_dark
from app.widgets.figure_card import figure_card
from app.widgets.measurement import measurement, settings
from app.widgets.notice import guarded
from ngf_core.config import LandscapeConfig
from ngf_core.runs import Run

TEXT = sections("landscape")
FORM = {"grid": "Points a side", "samples": "Images", "span": "Half width", "seed": "Seed"}
PLANES = {"line": "Line", "random": "Random plane", "models": "Through the models"}
IMAGES = {"clean": "Clean images", "triggered": "Triggered images"}
SCALES = {"log": "Log", "linear": "Linear"}
CAMERAS = {"iso": "Iso", "top": "Top", "side": "Side"}
Arrays = dict[str, np.ndarray]


def page() -> None:
    """Pick models, pick a plane, see the loss."""
    st.title(TEXT["title"])
    st.markdown(TEXT["intro"])
    run = measurement(LandscapeConfig, FORM, TEXT["empty"])
    if run is None:
        return
    arrays = state.arrays(run, "landscape")
    models = [str(name) for name in arrays["models"]]
    images = {kind: label for kind, label in IMAGES.items()
              if any(key.endswith(f".{kind}") for key in arrays)}
    with st.container(horizontal=True, key="landscape_controls"):
        plane = choose("plane", "Plane", PLANES, "random")
        images = choose("loss", "Loss on", images, "clean") if plane != "line" else "both"
        log = choose("scale", "Loss axis", SCALES, "log") == "log"
    draw = {"line": _line, "random": _random, "models": _models}[plane]
    draw(run, arrays, models, images, log)
    st.caption(f"{settings(run)}. {TEXT['caption'].format(dimensions=dimensions(run))}")
    st.page_link("app/views/spectrum.py", label="Read the spectrum", icon=":material/bar_chart:",
                 query_params={"run": run.config.source})


def _line(run: Run, arrays: Arrays, models: list[str], images: str, log: bool) -> None:
    curves = {m: {kind: arrays[f"{m}.line.{kind}"] for kind in IMAGES
                  if f"{m}.line.{kind}" in arrays} for m in models}
    curves = {m: losses for m, losses in curves.items() if losses}
    _count_blanks(*(loss for losses in curves.values() for loss in losses.values()))
    attacked = any("triggered" in losses for losses in curves.values())
    on = "clean (thin) and triggered images (thick)" if attacked else "clean images"
    figure_card(figures.line(arrays["line_t"], curves, log=log, dark=is_dark()),
                key="landscape_line", caption=TEXT["line"].format(images=on),
                filename=f"line-{run.id}", table=figures.line_table(arrays["line_t"], curves),
                alt=f"Loss along one direction from each of {_said(curves)}, on {on}.")


def _random(run: Run, arrays: Arrays, models: list[str], images: str, log: bool) -> None:
    losses = {m: arrays[f"{m}.random.{images}"] for m in models if f"{m}.random.{images}" in arrays}
    _count_blanks(*losses.values())
    xs, ys, dark = arrays["xs"], arrays["ys"], is_dark()
    table = figures.plane_table(xs, ys, losses)
    row = figures.contour_row(xs, ys, losses, log=log, dark=dark)
    figure_card(figures.panels(row),
                key="landscape_contours", caption=TEXT["contours"], table=table,
                filename=f"contours-{images}-{run.id}",
                alt=f"Contours of the loss on {images} images around {_said(losses)}.")
    if len(losses) > 1 and "before" in losses:
        row = figures.difference_row(xs, ys, losses, dark=dark)
        figure_card(figures.panels(row), key="landscape_difference",
                    caption=TEXT["difference"], filename=f"difference-{images}-{run.id}",
                    alt="Map of the change of loss by purification, zero in the middle of the "
                        "colour scale.", table=figures.plane_table(
                            xs, ys, {f"{m} minus before": loss - losses["before"]
                                     for m, loss in losses.items() if m != "before"}))
    camera = choose("camera", "Camera", CAMERAS, "iso")
    row = figures.surface_row(xs, ys, losses, log=log, dark=dark, camera=camera)
    figure_card(figures.panels(row), key="landscape_surfaces",
                caption=TEXT["surfaces"], table=table, filename=f"surfaces-{images}-{run.id}",
                alt=f"Loss surfaces around {_said(losses)}, the same numbers as the contours.")


def _models(run: Run, arrays: Arrays, models: list[str], images: str, log: bool) -> None:
    if "plane.points" not in arrays:
        st.info(run.results.get("no_plane") or TEXT["no_models"], icon=":material/info:")
        return
    xs, ys, loss = arrays["plane_xs"], arrays["plane_ys"], arrays[f"plane.{images}"]
    paths = {m: arrays[f"{m}.path"] for m in models if f"{m}.path" in arrays}
    _count_blanks(loss)
    points = dict(zip(models, arrays["plane.points"], strict=True))
    figure = figures.model_plane(xs, ys, loss, points, paths, log=log, dark=is_dark())
    figure_card(figure, key="landscape_models", caption=TEXT["models"],
                filename=f"plane-{images}-{run.id}",
                table=figures.plane_table(xs, ys, {"loss": loss}),
                alt=f"Contours of the loss on {images} images on the plane through the received "
                    "model and two purified ones, with the path of each method.")


def _count_blanks(*losses: np.ndarray) -> None:
    blank, cells = figures.blank_cells(*losses), sum(a.size for a in losses)
    if blank:
        st.caption(f":material/grid_off: {blank:,} of {cells:,} points are blank: not computed, or "
                   "the loss is not finite there.")


def _said(models) -> str:
    names = [figures.method_style(name).label for name in models]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


guarded(page)()
