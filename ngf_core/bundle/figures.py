"""The figures of a run as Plotly draws them, and the table behind each.

Plain data: Plotly's JavaScript draws them in the report, and its Python package is not needed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ngf_core.evaluate.rates import RATES, Rate
from ngf_core.purify.registry import PURIFIERS
from ngf_core.runs import Run

# Okabe-Ito hues. Methods differ in dash and mark too, so that no figure needs colour vision.
_HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#777777", "#999933")
_DASHES = ("solid", "dash", "dashdot", "longdash", "dot", "longdashdot")
_MARKS = ("circle", "square", "diamond", "cross", "triangle-up", "x", "star", "pentagon")
_KNOWN = {"before": 6, "train": 0, "import": 0}
_LABELS = {"before": "as received", "train": "as trained", "import": "as imported"}
_CURVES = {"asr": "ASR: triggered images answered as the attacker wants",
           "acc": "ACC: clean test images answered rightly",
           "ra": "RA: triggered images answered rightly"}


@dataclass(frozen=True)
class Figure:
    """One figure: its name in files, its title and what it shows in a sentence, the traces and
    axes of Plotly, and the numbers in it as a long table."""

    name: str
    title: str
    caption: str
    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    table: pd.DataFrame


def label(name: str) -> str:
    """A model or method as people call it."""
    return _LABELS.get(name) or (PURIFIERS[name].title if name in PURIFIERS else name)


def figures_of(run: Run) -> list[Figure]:
    """What there is to see of a finished run; empty where it has only a table."""
    draws = {"spectrum": _spectrum, "landscape": _landscape, "layers": _layers}
    return list(draws.get(run.kind or "", _curves)(run))


def _curves(run: Run) -> Iterator[Figure]:
    points = run.points()
    points = points[points["value"].notna()]
    methods = list(dict.fromkeys(points["method"]))
    for metric, sentence in _CURVES.items():
        rows = points[points["metric"] == metric]
        if len(rows):
            traces = [_line(method, of["step"], 100 * of["value"], methods, "%{y:.1f} % at %{x}")
                      for method, of in rows.groupby("method", sort=False)]
            yield Figure(metric, metric.upper(), f"{sentence}, in percent.", traces,
                         _axes(_step(run), "%", yrange=[-2, 102]), rows)
    for metric, title in (("loss", "Loss"), ("lambda_max", "λ_max during the race")):
        rows = points[(points["metric"] == metric) & (points["value"] > 0)]
        if len(rows):
            traces = [_line(method, of["step"], of["value"], methods, "%{y:.4g} at %{x}")
                      for method, of in rows.groupby("method", sort=False)]
            yield Figure(metric, title, _ABOUT[metric], traces,
                         _axes(_step(run), title.split(" ")[0], log=True), rows)


_ABOUT = {"loss": "Mean cross-entropy of the step's clean images, on a logarithmic axis.",
          "lambda_max": "Largest eigenvalue of the Hessian on some of the defender's clean images, "
                        "on a logarithmic axis."}


def _step(run: Run) -> str:
    return "Epoch" if run.kind == "train" else "Step"


def _spectrum(run: Run) -> Iterator[Figure]:
    arrays = run.arrays("spectrum")
    models = arrays["models"].tolist()
    rows, traces = [], []
    for model in models:
        values, residuals = arrays[f"{model}.eigenvalues"], arrays[f"{model}.residuals"]
        places = list(range(1, len(values) + 1))
        traces.append(_line(model, places, values, models, "%{y:.5g}") | {
            "error_y": {"type": "data", "array": _plain(residuals)}})
        rows += [(model, *row) for row in zip(places, _plain(values), _plain(residuals))]
    yield Figure("eigenvalues", "Largest eigenvalues", "The largest eigenvalues of each model's "
                 "Hessian; bars are Ritz residuals, which are not the error of the draw of images.",
                 traces, _axes("Eigenvalue", "Value", whole=True),
                 pd.DataFrame(rows, columns=["model", "eigenvalue", "value", "residual"]))
    heights: list[tuple[str, float, float]] = []
    traces = []
    for model in models:
        if f"{model}.density" in arrays:
            grid = arrays[f"{model}.density_grid"]
            density = np.atleast_2d(arrays[f"{model}.density"]).mean(0)
            traces.append(_line(model, grid, np.maximum(density, 1e-8), models,
                                "%{y:.3g} at %{x:.4g}", marks=False))
            heights += [(model, *row) for row in zip(_plain(grid), _plain(density))]
    if traces:
        yield Figure("density", "Spectral density", "Density of all eigenvalues, the mean over the "
                     "probes of Lanczos quadrature, on a logarithmic axis.", traces,
                     _axes("Eigenvalue", "Density", log=True),
                     pd.DataFrame(heights, columns=["model", "eigenvalue", "density"]))


def _landscape(run: Run) -> Iterator[Figure]:
    arrays = run.arrays("landscape")
    models = arrays["models"].tolist()
    for data in ("clean", "triggered"):
        keys = {model: f"{model}.line.{data}" for model in models
                if f"{model}.line.{data}" in arrays}
        if keys:
            traces = [_line(model, arrays["line_t"], arrays[key], models, "%{y:.4g} at %{x:.2f}",
                            marks=False) for model, key in keys.items()]
            rows = [(model, *row) for model, key in keys.items()
                    for row in zip(_plain(arrays["line_t"]), _plain(arrays[key]))]
            yield Figure(f"line-{data}", f"Loss along one random direction, {data} images",
                         "Each model at 0; the direction has the norm of the weights, filter by "
                         "filter.", traces, _axes("Distance", "Loss"),
                         pd.DataFrame(rows, columns=["model", "distance", "loss"]))
    surfaces = list(_surfaces(arrays, models))
    if surfaces:
        traces = [{"type": "heatmap", "x": _plain(xs), "y": _plain(ys), "z": _plain(loss),
                   "colorscale": "Cividis", "visible": place == 0, "name": name,
                   "colorbar": {"title": {"text": "Loss", "side": "right"}, "thickness": 12},
                   "hovertemplate": "loss %{z:.4g}<extra></extra>"}
                  for place, (name, xs, ys, loss) in enumerate(surfaces)]
        frames = [pd.DataFrame({"surface": name, "x": np.tile(xs, len(ys)),
                                "y": np.repeat(ys, len(xs)), "loss": loss.ravel()})
                  for name, xs, ys, loss in surfaces]
        menu = {"x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "pad": {"b": 6},
                "buttons": [{"label": name, "method": "restyle", "args": ["visible", [
                    other == place for other in range(len(surfaces))]]}
                    for place, (name, *_) in enumerate(surfaces)]}
        layout = _axes("First direction", "Second direction") | {"updatemenus": [menu],
                                                                 "margin": {"t": 60}}
        yield Figure("surfaces", "Loss on planes", "The loss over a plane in weight space; the "
                     "menu chooses plane, model and images. Scales differ between surfaces.",
                     traces, layout, pd.concat(frames, ignore_index=True))


def _surfaces(arrays: Mapping[str, np.ndarray], models: Sequence[str]
              ) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Name, both axes and the loss of each surface."""
    axes = {"random": "", "eigen": "eigen_", "plane": "plane_", "path": "path_"}
    keys = [(f"{label(model)}, {plane} plane", f"{model}.{plane}", axes[plane])
            for plane in ("random", "eigen") for model in models]
    keys += [("plane through the models", "plane", "plane_"),
             ("plane of the paths", "path", "path_")]
    for name, key, prefix in keys:
        for data in ("clean", "triggered"):
            if f"{key}.{data}" in arrays:
                yield (f"{name}, {data}", arrays[f"{prefix}xs"], arrays[f"{prefix}ys"],
                       arrays[f"{key}.{data}"])


def _layers(run: Run) -> Iterator[Figure]:
    entries = run.results["map"]
    methods = list(dict.fromkeys(entry["method"] for entry in entries))
    for metric in RATES:
        rates = [(entry["method"], entry["layer"], Rate.from_json(entry.get(metric)))
                 for entry in entries]
        rows = [(method, layer, rate.value, rate.n) for method, layer, rate in rates if rate]
        table = pd.DataFrame(rows, columns=["method", "layer", "value", "n"])
        if len(table):
            traces = [_line(method, of["layer"], 100 * of["value"], methods, "%{y:.1f} %")
                      for method, of in table.groupby("method", sort=False)]
            yield Figure(f"layers-{metric}", f"{metric.upper()} by tuned layer",
                         f"{_CURVES[metric]}, after tuning that layer alone, in percent.", traces,
                         _axes("Layer", "%", yrange=[-2, 102]), table)


def _line(name: str, x: Any, y: Any, names: Sequence[str], hover: str, marks: bool = True
          ) -> dict[str, Any]:
    methods = [one for one in names if one not in _KNOWN]
    place = _KNOWN[name] if name in _KNOWN else methods.index(name)
    hue = _HUES[place % len(_HUES)]
    return {"type": "scatter", "name": label(name), "x": _plain(x), "y": _plain(y),
            "mode": "lines+markers" if marks else "lines",
            "line": {"color": hue, "dash": _DASHES[place % len(_DASHES)], "width": 2},
            "marker": {"color": hue, "symbol": _MARKS[place % len(_MARKS)], "size": 6},
            "hovertemplate": f"%{{fullData.name}}: {hover}<extra></extra>"}


def _axes(x: str, y: str, *, log: bool = False, whole: bool = False,
          yrange: Sequence[float | None] | None = None) -> dict[str, Any]:
    up: dict[str, Any] = {"title": {"text": y}, "type": "log" if log else "linear"}
    across: dict[str, Any] = {"title": {"text": x}}
    if log:
        up["exponentformat"] = "power"
    if yrange is not None:
        up["range"] = list(yrange)
    if whole:
        across["dtick"] = 1
    return {"xaxis": across, "yaxis": up}


def _plain(values: Any) -> list[Any]:
    """Numbers as JSON can hold them, to six digits; those that are not finite are null."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        return [str(value) for value in array.tolist()]
    if array.ndim > 1:
        return [_plain(row) for row in array]
    return [float(f"{value:.6g}") if np.isfinite(value) else None
            for value in array.astype(float).tolist()]
