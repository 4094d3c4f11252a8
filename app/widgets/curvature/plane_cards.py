"""The figures of one landscape run, each with its caption, its table and any interpolation."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from app.figures import landscape as figures
from app.figures.origin import of_run
from app.read.once import once
from app.text import sections
from app.theme import style
from app.widgets.controls.address import choose
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from app.widgets.curvature.path_point import choose_point, path_point
from app.widgets.curvature.plane_and_lambda import plane_beside_lambda
from ngf_core.runs import Run

TEXT = sections("landscape")
IMAGES = {"clean": "Clean images", "triggered": "Triggered images"}
CAMERAS = {"iso": "Iso", "top": "Top", "side": "Side"}
PATHS = {"length": "Distance travelled", "steps": "Steps"}
ROWS: dict[str, Callable[..., go.Figure]] = {
    "contours": figures.contour_row, "difference": figures.difference_row,
    "surfaces": figures.surface_row}
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class View:
    """What the page shows: one plane of a run, the loss on one kind of images, on one scale.

    Arrays of runs by earlier versions may lack what later ones measure.
    """

    run: Run
    arrays: Arrays
    plane: str
    images: str
    log: bool

    @property
    def models(self) -> list[str]:
        """The models of the run, the received one first."""
        return [str(name) for name in self.arrays["models"]]

    def curves(self, kind: str) -> dict[str, Arrays]:
        """Model -> images -> losses along one kind of line, where measured."""
        found = {m: {part: self.arrays[f"{m}.{kind}.{part}"] for part in IMAGES
                     if f"{m}.{kind}.{part}" in self.arrays} for m in self.models}
        return {m: losses for m, losses in found.items() if losses}

    def computed(self, key: str) -> np.ndarray | None:
        """Which points of a surface were computed; None where none was interpolated."""
        if f"{key}.held_out" not in self.arrays:
            return None
        mask = self.arrays[f"{key}.computed"]
        return None if mask.all() else mask

    def note(self, key: str) -> str:
        """Interpolated or not, in a few words."""
        if self.computed(key) is None:
            return ""
        _, largest, bound = self.arrays[f"{key}.held_out"]
        if np.isnan(largest):
            return "interpolated, error not measured"
        wanted = f" (requested: {_percent(bound)})" if largest > bound else ""
        return f"interpolated, held-out error {_percent(largest)}{wanted}"


def live_surface(run: Run) -> None:
    """The surface being computed, while the run is live; nothing before its first row."""
    if not run.has("landscape"):
        return
    arrays = run.arrays("landscape")
    key = next((k.removesuffix(".computed") for k in reversed(arrays) if k.endswith(".computed")),
               None)
    if key is None:
        return
    mask, loss = arrays[f"{key}.computed"], arrays[key]
    xs, ys = _axes(arrays, key)
    names = key.split(".")
    of = f"{style(names[0]).label}, " if len(names) == 3 else ""
    kind = {"plane": "plane through the models", "path": "plane of the paths"}.get(
        names[-2], f"{names[-2]} plane")
    figure = figures.live_plane(xs, ys, loss, log=True, dark=is_dark(), computed=mask)
    # Less wide than the page, so that the plane stays about square.
    with st.columns([3, 2])[0]:
        figure_card(figure, key="landscape_live", live=True, height=420,
        origin=of_run(run), filename=f"live-{run.id}",
                    caption=f"{of}{kind}, {IMAGES[names[-1]].lower()}: {int(mask.sum()):,} of "
                            f"{mask.size:,} points computed so far.",
                    alt="Map of the loss on the plane being computed, filled point by point.",
                    table=figures.plane_table(xs, ys, {"loss": loss}))


def on_lines(view: View) -> None:
    """The loss along a random line, straight to each purified model, and along each path."""
    arrays, dark = view.arrays, is_dark()
    curves = view.curves("line")
    on = _image_kinds(curves)
    if curves:
        _count_blanks(loss for losses in curves.values() for loss in losses.values())
        figure_card(figures.line(arrays["line_t"], curves, log=view.log, dark=dark),
                    key="landscape_line", caption=TEXT["line"].format(images=on),
                    origin=of_run(view.run), filename=f"line-{view.run.id}",
                    table=figures.line_table(arrays["line_t"], curves),
                    alt=f"Loss along one direction from each of {_listed(curves)}, on {on}.")
    curves = view.curves("chord")
    if curves:
        figure_card(figures.line(arrays["chord_t"], curves, log=view.log, dark=dark,
                                 axis="share of the distance from no defense to the method",
                                 marks={0.0: "no defense", 1.0: "purified"}),
                    key="landscape_chord", caption=TEXT["chord"].format(images=on),
                    origin=of_run(view.run), filename=f"chord-{view.run.id}",
                    table=figures.line_table(arrays["chord_t"], curves),
                    alt=f"Loss on the straight line from the received model to {_listed(curves)}, "
                        f"on {on}.")
    curves = view.curves("along")
    if curves:
        by = choose("along", "Along the path, by", PATHS, "length")
        places = {m: arrays[f"{m}.path_{by}"] for m in curves}
        axis = {"length": "distance travelled (in weights)", "steps": "tuning steps"}[by]
        figure_card(figures.line(places, curves, log=view.log, dark=dark, axis=axis, points=True,
                                 marks={}),
                    key="landscape_along", caption=TEXT["along"].format(images=on),
                    origin=of_run(view.run), filename=f"along-{view.run.id}",
                    table=figures.line_table(places, curves),
                    alt=f"Loss at the recorded points of the paths of {_listed(curves)}, on {on}.")


def around_models(view: View) -> None:
    """One plane of directions around every model: contours, differences, surfaces."""
    key = {m: f"{m}.{view.plane}.{view.images}" for m in view.models}
    losses = {m: view.arrays[k] for m, k in key.items() if k in view.arrays}
    if not losses:
        _not_there(view)
        return
    xs, ys = _axes(view.arrays, next(iter(key.values())))
    _count_blanks(losses.values())
    masks = {m: view.computed(key[m]) for m in losses}
    computed = {m: mask for m, mask in masks.items() if mask is not None}
    notes = {m: "<br>".join(filter(None, (_curvature(view, m), view.note(key[m]))))
             for m in losses}
    axes, dark, images, name = _directions(view), is_dark(), view.images, view.run.id
    table = figures.plane_table(xs, ys, losses)
    panels = once(_panels, "contours", xs, ys, losses, log=view.log, dark=dark, computed=computed,
                  notes=notes if any(notes.values()) else None, axes=axes)
    figure_card(panels, key="landscape_contours", table=table,
                caption=TEXT["contours" if view.plane == "random" else "eigen"]
                + _interpolated(view, [key[m] for m in losses]),
                origin=of_run(view.run), filename=f"contours-{view.plane}-{images}-{name}",
                alt=f"Contours of the loss on {images} images around {_listed(losses)}.")
    if (view.plane, images) == ("random", "clean"):
        plane_beside_lambda(view.run, losses)
    if len(losses) > 1 and "before" in losses:
        panels = once(_panels, "difference", xs, ys, losses, dark=dark, axes=axes)
        figure_card(panels, key="landscape_difference",
                    caption=TEXT["difference"],
                    origin=of_run(view.run), filename=f"difference-{view.plane}-{images}-{name}",
                    alt="Map of the change of loss by purification, zero in the middle of the "
                        "colour scale.", table=figures.plane_table(
                            xs, ys, {f"{m} minus before": loss - losses["before"]
                                     for m, loss in losses.items() if m != "before"}))
    camera = choose("camera", "Camera", CAMERAS, "iso")
    panels = once(_panels, "surfaces", xs, ys, losses, log=view.log, dark=dark, camera=camera,
                  computed=computed)
    figure_card(panels, key="landscape_surfaces", caption=TEXT["surfaces"],
                table=table,
                origin=of_run(view.run), filename=f"surfaces-{view.plane}-{images}-{name}",
                alt=f"Loss surfaces around {_listed(losses)}, the same numbers as the contours.")


def _panels(row: str, *args: Any, **named: Any) -> list[go.Figure]:
    return figures.panels(ROWS[row](*args, **named))


def through_models(view: View) -> None:
    """The plane through the received model and two purified ones."""
    if "plane.points" not in view.arrays or f"plane.{view.images}" not in view.arrays:
        _not_there(view)
        return
    points = dict(zip(view.models, view.arrays["plane.points"], strict=False))  # of the first three
    paths = {m: view.arrays[f"{m}.path"] for m in view.models if f"{m}.path" in view.arrays}
    off = [model for model in view.models if model not in points]
    others = f" ({_listed(off)} {'lies' if len(off) == 1 else 'lie'} off it)" if off else ""
    _plane(view, f"plane.{view.images}", points, paths, TEXT["models"].format(
               names=_listed(points).replace(style("before").label, "the received model"),
               others=others), None,
           "on the plane through the received model and two purified ones")


def on_paths(view: View) -> None:
    """The plane of the paths' principal components."""
    key = f"path.{view.images}"
    paths = {m: view.arrays[f"{m}.on_path_plane"] for m in view.models
             if f"{m}.on_path_plane" in view.arrays}
    if key not in view.arrays or not paths:
        _not_there(view)
        return
    first, second = view.arrays["path_variance"]
    off = max(float(view.arrays[f"{m}.off_path_plane"].max()) for m in paths)
    points = {"before": next(iter(paths.values()))[0]} | {m: path[-1] for m, path in paths.items()}
    axes = (f"first component, {100 * first:.0f} % of the variance (distance in weights)",
            f"second component, {100 * second:.0f} % (same unit)")
    _plane(view, key, points, paths, TEXT["paths"].format(
        shown=f"{100 * (first + second):.0f} %", off=f"{off:.2g}"), axes,
        "on the plane that lies closest to the tuning paths")


def _plane(view: View, key: str, points: Arrays, paths: Arrays, caption: str,
           axes: tuple[str, str] | None, where: str) -> None:
    loss = view.arrays[key]
    xs, ys = _axes(view.arrays, key)
    _count_blanks([loss])
    # The point stands below the figure that shows where it is, so it is drawn first.
    above, name = st.container(key=f"landscape_{view.plane}_figure"), f"landscape_{view.plane}"
    chosen = path_point(view.run, view.arrays, paths)
    steps = {m: view.arrays[f"{m}.path_steps"] for m in paths if f"{m}.path_steps" in view.arrays}
    figure = once(figures.model_plane, xs, ys, loss, points, paths, log=view.log,
                  dark=is_dark(), computed=view.computed(key), axes=axes, steps=steps,
                  chosen=chosen)
    with above:
        figure_card(figure, key=name, caption=caption + _interpolated(view, [key]),
                    origin=of_run(view.run), filename=f"{view.plane}-{view.images}-{view.run.id}",
                    table=figures.plane_table(xs, ys, {"loss": loss}),
                    on_select=lambda: choose_point(name),
                    alt=f"Contours of the loss on {view.images} images {where}, with the path of "
                        "each method.")


def _axes(arrays: Arrays, key: str) -> tuple[np.ndarray, np.ndarray]:
    """The axes of a surface's array, named <model>.<plane>.<images> or <plane>.<images>."""
    plane = key.split(".")[-2]
    prefix = "" if plane == "random" else f"{plane}_"
    return arrays[f"{prefix}xs"], arrays[f"{prefix}ys"]


def _directions(view: View) -> tuple[str, str]:
    if view.plane != "eigen":
        return "x", "y"
    values, errors = view.arrays["eigen_values"], view.arrays["eigen_residuals"]
    first, second = (f"along eigenvector {i + 1}: λ = {value:.3g} ± {error:.1g}"
                     for i, (value, error) in enumerate(zip(values, errors, strict=True)))
    return first, second


def _curvature(view: View, model: str) -> str:
    if view.plane != "eigen" or f"{model}.curvature" not in view.arrays:
        return ""
    x, y = view.arrays[f"{model}.curvature"]
    return f"curvature {x:.3g} along x, {y:.3g} along y"


def _interpolated(view: View, keys: Sequence[str]) -> str:
    """The caption's addition where surfaces are interpolated: points, and held-out errors."""
    keys = [key for key in keys if view.computed(key) is not None]
    if not keys:
        return ""
    counts = [int(view.arrays[f"{key}.computed"].sum()) for key in keys]
    errors = np.array([view.arrays[f"{key}.held_out"] for key in keys])
    if np.isnan(errors).any():
        return " " + TEXT["unchecked"]
    text = TEXT["interpolated"].format(
        points=f"{counts[0]:,}" if min(counts) == max(counts) else
        f"{min(counts):,} to {max(counts):,}",
        cells=f"{view.arrays[keys[0]].size:,}", median=_percent(errors[:, 0].max()),
        largest=_percent(errors[:, 1].max()), bound=_percent(errors[0, 2]))
    short = (errors[:, 1] > errors[:, 2]).any()
    return f" {text}" + (" " + TEXT["bound not reached"] if short else "")


def _percent(share: float) -> str:
    return "over 1000 %" if share > 10 else f"{100 * share:.2g} %"


def _not_there(view: View) -> None:
    results = view.run.results
    why = results.get("why_not", {"models": results.get("no_plane")}).get(view.plane)
    st.info(why or TEXT["not there"], icon=":material/info:")


def _count_blanks(losses: Iterable[np.ndarray]) -> None:
    losses = list(losses)
    blank, cells = figures.blank_cells(*losses), sum(a.size for a in losses)
    if blank:
        st.caption(f":material/grid_off: {blank:,} of {cells:,} points are blank: not computed, or "
                   "the loss is not finite there.")


def _image_kinds(curves: dict[str, Arrays]) -> str:
    attacked = any("triggered" in losses for losses in curves.values())
    return "clean (thin) and triggered images (thick)" if attacked else "clean images"


def _listed(models: Iterable[str]) -> str:
    names = [style(name).label for name in models]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
