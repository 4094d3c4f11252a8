"""Planes around the models as contours, and their difference to the received one."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.landscape.scale import Masks, colour_bar, extent, height
from app.theme import DIVERGING, SEQUENTIAL, plotly_template
from app.theme import style as method_style


def contour_row(xs: np.ndarray, ys: np.ndarray, losses: Mapping[str, np.ndarray], *, log: bool,
                dark: bool, span: tuple[float, float] | None = None,
                computed: Masks | None = None, notes: Mapping[str, str] | None = None,
                axes: tuple[str, str] = ("x", "y")) -> go.Figure:
    """One contour panel per model: same axes, same colour scale, the model marked at zero.

    `losses` maps a model's name to its (len(ys), len(xs)) loss; `span` fixes the colour range in
    loss units, so that a second figure can share it. `notes` are set below the panels' titles,
    `axes` name the two directions.
    """
    heights = {name: height(loss, log) for name, loss in losses.items()}
    low, high = extent(heights.values()) if span is None else height(np.array(span), log)
    figure = _panels(losses, notes=notes)
    for column, (name, z) in enumerate(heights.items(), start=1):
        figure.add_contour(x=xs, y=ys, z=z, coloraxis="coloraxis", connectgaps=False,
                           contours={"start": low, "end": high, "size": max(high - low, 1e-9) / 14},
                           line={"width": 0.6, "color": "rgba(255,255,255,0.45)"},
                           customdata=np.asarray(losses[name], float),
                           name=method_style(name).label,
                           hovertemplate="x %{x:.3g}, y %{y:.3g}<br>loss %{customdata:.4g}"
                                         "<extra>%{fullData.name}</extra>", row=1, col=column)
        if computed and name in computed:
            figure.add_trace(computed_dots(xs, ys, computed[name]), row=1, col=column)
        _mark_zero(figure, column)
    figure.update_layout(coloraxis={"colorscale": SEQUENTIAL, "cmin": low, "cmax": high,
                                    "colorbar": colour_bar("cross-entropy loss", low, high, log)})
    # The dots on the edge would make the axes longer than the plane.
    figure.update_xaxes(range=[float(np.min(xs)), float(np.max(xs))])
    figure.update_yaxes(range=[float(np.min(ys)), float(np.max(ys))])
    lines = max((note.count("<br>") + 1 for note in (notes or {}).values()), default=0)
    return _finish_row(figure, dark, axes, lines)


def difference_row(xs: np.ndarray, ys: np.ndarray, losses: Mapping[str, np.ndarray], *,
                   dark: bool, before: str = "before",
                   axes: tuple[str, str] = ("x", "y")) -> go.Figure:
    """Loss of each model minus that of the received one, around its own zero, blue-orange at 0.

    The colour range is the 98th percentile of the absolute difference, so that one steep corner
    does not wash out the rest; larger values take the end colours.
    """
    changes = {name: np.asarray(loss, float) - np.asarray(losses[before], float)
               for name, loss in losses.items() if name != before}
    changes = {name: np.where(np.isfinite(d), d, np.nan) for name, d in changes.items()}
    finite = np.concatenate([d[np.isfinite(d)] for d in changes.values()] or [np.zeros(0)])
    reach = max(float(np.percentile(np.abs(finite), 98)) if len(finite) else 0.0, 1e-9)
    figure = _panels(changes, "after ")
    for column, (name, change) in enumerate(changes.items(), start=1):
        figure.add_heatmap(x=xs, y=ys, z=change, coloraxis="coloraxis",
                           name=method_style(name).label, hoverongaps=False,
                           hovertemplate="x %{x:.3g}, y %{y:.3g}<br>change %{z:+.4g}"
                                         "<extra>%{fullData.name}</extra>", row=1, col=column)
        _mark_zero(figure, column)
    bar = colour_bar("change of loss", -reach, reach, False)
    figure.update_layout(coloraxis={"colorscale": DIVERGING, "cmin": -reach, "cmid": 0,
                                    "cmax": reach, "colorbar": bar})
    return _finish_row(figure, dark, axes)


def plane_table(xs: np.ndarray, ys: np.ndarray, losses: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """The numbers behind a plane: one row per cell, one column per model."""
    x, y = np.meshgrid(xs, ys)
    columns = {"x": x.ravel(), "y": y.ravel()}
    return pd.DataFrame(columns | {name: np.ravel(loss) for name, loss in losses.items()})


def _panels(losses: Mapping[str, np.ndarray], prefix: str = "",
            notes: Mapping[str, str] | None = None) -> go.Figure:
    titles = [prefix + method_style(name).label for name in losses]
    if notes:
        titles = [f"{title}<br>{notes.get(name, '')}"
                  for title, name in zip(titles, losses, strict=True)]
    return make_subplots(1, max(len(losses), 1), shared_yaxes=True, horizontal_spacing=0.03,
                         subplot_titles=titles)


def computed_dots(xs: np.ndarray, ys: np.ndarray, computed: np.ndarray) -> go.Scatter:
    """The points that were computed, on a surface that is interpolated between them."""
    rows, columns = np.nonzero(computed)
    return go.Scatter(x=np.asarray(xs)[columns], y=np.asarray(ys)[rows], mode="markers",
                      name="computed", showlegend=False, hoverinfo="skip",
                      marker={"size": 3, "color": "rgba(255,255,255,0.75)"})


def _mark_zero(figure: go.Figure, column: int) -> None:
    figure.add_scatter(x=[0], y=[0], mode="markers", showlegend=False, hoverinfo="skip",
                       marker={"symbol": "x-thin", "size": 13,
                               "line": {"color": "white", "width": 5}}, row=1, col=column)
    figure.add_scatter(x=[0], y=[0], mode="markers", name="the model", showlegend=False,
                       hovertemplate="the model<extra></extra>",
                       marker={"symbol": "x-thin", "size": 12,
                               "line": {"color": "#D55E00", "width": 2.5}}, row=1, col=column)


def _finish_row(figure: go.Figure, dark: bool, axes: tuple[str, str], lines: int = 0
                ) -> go.Figure:
    """Axes, margins and, above the panels, room for `lines` of notes."""
    figure.update_xaxes(title=axes[0], nticks=5)
    figure.update_yaxes(nticks=5)
    figure.update_yaxes(title=axes[1], col=1)
    notes = 14 + 16 * lines if lines else 0
    figure.update_layout(template=plotly_template(dark), height=460 + notes, showlegend=False,
                         margin={"t": 36 + notes})
    if "xaxis2" not in figure.layout:
        # A single panel as wide as the page would flatten its contours.
        squared(figure, axes)
    return figure


def squared(figure: go.Figure, axes: tuple[str, str]) -> None:
    figure.update_xaxes(title=axes[0], nticks=5, constrain="domain")
    figure.update_yaxes(title=axes[1], nticks=5, constrain="domain", scaleanchor="x")
