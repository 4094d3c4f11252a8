"""Loss landscapes: lines and paths, planes as contours and surfaces, and their difference.

All planes of one figure share axes and colour scale, so that equal colours mean equal loss.
Cells that are NaN (not computed, or not finite) stay blank; `blank_cells` counts them. Where a
surface is interpolated, `computed` marks the points that were not, and they are drawn.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale
from plotly.subplots import make_subplots

from app.theme import DIVERGING, SEQUENTIAL, ink, label_color, plotly_template
from app.theme import style as method_style

CAMERAS = {
    "iso": {"eye": {"x": 1.4, "y": -1.4, "z": 1.05}, "up": {"x": 0, "y": 0, "z": 1}},
    "top": {"eye": {"x": 0.0, "y": 0.0, "z": 2.1}, "up": {"x": 0, "y": 1, "z": 0}},
    "side": {"eye": {"x": 0.0, "y": -2.3, "z": 0.15}, "up": {"x": 0, "y": 0, "z": 1}},
}
WIDTHS = {"clean": 1.5, "triggered": 4}
Curves = Mapping[str, Mapping[str, np.ndarray]]
Masks = Mapping[str, np.ndarray]
# Plotly's Cividis, for ECharts.
CIVIDIS = sample_colorscale(SEQUENTIAL, 9, colortype="rgb")
TICKS = np.array([1e-4, 1e-3, 0.01, 0.1, 0.3, 1, 3, 10, 30, 100, 1e3, 1e4, 1e6])


def blank_cells(*losses: np.ndarray) -> int:
    """How many values are NaN or infinite, over all arrays."""
    return int(sum((~np.isfinite(np.asarray(a, float))).sum() for a in losses))


def height(loss: np.ndarray, log: bool) -> np.ndarray:
    """What is drawn: the loss or its log10; NaN where that is undefined."""
    loss = np.array(loss, float)
    loss[~np.isfinite(loss)] = np.nan
    if not log:
        return loss
    loss[loss <= 0] = np.nan
    return np.log10(loss)


def line(t: np.ndarray | Mapping[str, np.ndarray], curves: Curves, *, log: bool, dark: bool,
         axis: str = "distance t (filter-normalised)",
         marks: Mapping[float, str] | None = None, points: bool = False) -> go.Figure:
    """Clean (thin) and triggered (thick) loss along one direction through each model.

    `curves` maps a model's name to its losses at each `t`, or at its own `t[name]`: "clean" and,
    for a backdoored model, "triggered". `axis` names t; `marks` are the places that get a dotted
    line and a word above it (t = 0 where not given); `points` draws a dot at each computed place.
    """
    figure = go.Figure()
    ends = []
    for kind in [k for k in WIDTHS if any(k in losses for losses in curves.values())]:
        figure.add_scatter(x=[None], y=[None], mode="lines", name=f"{kind} images",
                           line={"color": ink(dark).text, "width": WIDTHS[kind]})
    for name, losses in curves.items():
        style, places = method_style(name), t[name] if isinstance(t, Mapping) else t
        for kind, loss in losses.items():
            drawn = height(loss, log)
            label = f"{style.label}, {kind}"
            figure.add_scatter(x=places, y=np.where(np.isfinite(drawn), loss, np.nan),
                               mode="lines+markers" if points else "lines",
                               name=label, connectgaps=False, showlegend=False,
                               line={"color": style.color, "dash": style.dash,
                                     "width": WIDTHS[kind]},
                               marker={"size": 4 + WIDTHS[kind], "symbol": style.symbol},
                               hovertemplate=label + "<br>%{x:.3g}<br>loss %{y:.4g}"
                                                     "<extra></extra>")
            finite = np.flatnonzero(np.isfinite(drawn))
            if len(finite):
                text = f"<b>{style.label}</b>" if kind == "triggered" else style.label
                ends.append((float(drawn[finite[-1]]), text, label_color(style.color, dark)))
    for place, word in ({0.0: ""} if marks is None else marks).items():
        figure.add_vline(x=place, line={"color": ink(dark).muted, "width": 1, "dash": "dot"})
        if word:
            figure.add_annotation(x=place, y=1, yref="paper", yanchor="bottom", text=word,
                                  showarrow=False, font={"color": ink(dark).muted, "size": 13})
    low, high = _span(height(loss, log) for losses in curves.values()
                      for loss in losses.values())
    margin = 0.04 * (high - low)
    _label_ends(figure, ends, (high - low) / 17)
    figure.update_yaxes(title="cross-entropy loss", type="log" if log else "linear",
                        tickformat="~g", range=[low - margin, high + margin])
    figure.update_xaxes(title=axis)
    figure.update_layout(template=plotly_template(dark), height=440,
                         margin={"l": 60, "r": 110, "t": 60 if marks else 40, "b": 60},
                         legend={"y": 1.09} if marks else {})
    return figure


def contour_row(xs: np.ndarray, ys: np.ndarray, losses: Mapping[str, np.ndarray], *, log: bool,
                dark: bool, span: tuple[float, float] | None = None,
                computed: Masks | None = None, notes: Mapping[str, str] | None = None,
                axes: tuple[str, str] = ("x", "y")) -> go.Figure:
    """One contour panel a model: same axes, same colour scale, the model marked at zero.

    `losses` maps a model's name to its (len(ys), len(xs)) loss; `span` fixes the colour range in
    loss units, so that a second figure can share it. `notes` stand below the panels' titles,
    `axes` name the two directions.
    """
    heights = {name: height(loss, log) for name, loss in losses.items()}
    low, high = _span(heights.values()) if span is None else height(np.array(span), log)
    figure = _panels(losses, notes=notes)
    for column, (name, z) in enumerate(heights.items(), start=1):
        figure.add_contour(x=xs, y=ys, z=z, coloraxis="coloraxis", connectgaps=False,
                           contours={"start": low, "end": high, "size": max(high - low, 1e-9) / 14},
                           line={"width": 0.6, "color": "rgba(255,255,255,0.45)"},
                           customdata=np.asarray(losses[name], float),
                           name=method_style(name).label,
                           hovertemplate="x %{x:.3g}, y %{y:.3g}<br>loss %{customdata:.4g}"
                                         "<extra>%{fullData.name}</extra>", row=1, col=column)
        if name in (computed or {}):
            figure.add_trace(_dots(xs, ys, computed[name]), row=1, col=column)
        _mark_zero(figure, column)
    figure.update_layout(coloraxis={"colorscale": SEQUENTIAL, "cmin": low, "cmax": high,
                                    "colorbar": _bar("cross-entropy loss", low, high, log)})
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
    bar = _bar("change of loss", -reach, reach, False)
    figure.update_layout(coloraxis={"colorscale": DIVERGING, "cmin": -reach, "cmid": 0,
                                    "cmax": reach, "colorbar": bar})
    return _finish_row(figure, dark, axes)


def surface_row(xs: np.ndarray, ys: np.ndarray, losses: Mapping[str, np.ndarray], *, log: bool,
                dark: bool, camera: str = "iso", computed: Masks | None = None) -> go.Figure:
    """The same planes as surfaces: one scene a model, one height range, one colour scale."""
    heights = {name: height(loss, log) for name, loss in losses.items()}
    low, high = _span(heights.values())
    figure = make_subplots(1, max(len(heights), 1), horizontal_spacing=0.01,
                           specs=[[{"type": "scene"}] * max(len(heights), 1)],
                           subplot_titles=[method_style(n).label for n in losses])
    ticks = _ticks(low, high, log)
    for column, (name, z) in enumerate(heights.items(), start=1):
        figure.add_surface(x=xs, y=ys, z=z, coloraxis="coloraxis", connectgaps=False,
                           customdata=np.asarray(losses[name], float),
                           name=method_style(name).label,
                           hovertemplate="x %{x:.3g}, y %{y:.3g}<br>loss %{customdata:.4g}"
                                         "<extra>%{fullData.name}</extra>", row=1, col=column)
        if name in (computed or {}):
            rows, columns = np.nonzero(computed[name])
            figure.add_scatter3d(x=np.asarray(xs)[columns], y=np.asarray(ys)[rows],
                                 z=z[rows, columns], mode="markers", hoverinfo="skip",
                                 marker={"size": 1.8, "color": "#FFFFFF" if dark else "#111111"},
                                 name="computed", row=1, col=column)
    figure.update_scenes(
        xaxis={"title": "x", "nticks": 4}, yaxis={"title": "y", "nticks": 4},
        zaxis={"title": "", "range": [low, high]} | ticks,
        aspectmode="manual", aspectratio={"x": 1, "y": 1, "z": 0.75}, camera=CAMERAS[camera])
    figure.update_layout(template=plotly_template(dark), height=430,
                         margin={"l": 5, "r": 5, "t": 40, "b": 5}, showlegend=False,
                         coloraxis={"colorscale": SEQUENTIAL, "cmin": low, "cmax": high,
                                    "showscale": False})
    return figure


def model_plane(xs: np.ndarray, ys: np.ndarray, loss: np.ndarray, points: Mapping[str, np.ndarray],
                paths: Mapping[str, np.ndarray], *, log: bool, dark: bool,
                computed: np.ndarray | None = None,
                axes: tuple[str, str] | None = None) -> go.Figure:
    """One plane with the received model, the purified ones, and the paths to them.

    `points` maps the models, the received one first, to their (x, y); `paths` maps a method to its
    (s, 2) positions, projected. `axes` name the two directions; without them the plane is the one
    through three models, where only a path's ends lie in the plane.
    """
    z = height(loss, log)
    low, high = _span([z])
    figure = go.Figure(go.Contour(
        x=xs, y=ys, z=z, coloraxis="coloraxis", connectgaps=False, showlegend=False,
        customdata=np.asarray(loss, float), line={"width": 0.6, "color": "rgba(255,255,255,0.45)"},
        contours={"start": low, "end": high, "size": max(high - low, 1e-9) / 14},
        hovertemplate="x %{x:.3g}, y %{y:.3g}<br>loss %{customdata:.4g}<extra></extra>"))
    if computed is not None:
        figure.add_trace(_dots(xs, ys, computed))
    for name, path in paths.items():
        style = method_style(name)
        path = np.asarray(path, float)
        # White below the hue keeps a path visible on every part of the colour scale.
        for width, color, dash in ((7, "rgba(255,255,255,0.9)", "solid"),
                                   (3, style.color, style.dash)):
            figure.add_scatter(x=path[:, 0], y=path[:, 1], mode="lines", name=style.label,
                               line={"color": color, "width": width, "dash": dash},
                               hoverinfo="skip" if width == 7 else None,
                               hovertemplate=None if width == 7 else style.label +
                               ", recorded point %{pointNumber}<extra></extra>")
    for name, (x, y) in points.items():
        style = method_style(name)
        figure.add_scatter(x=[x], y=[y], mode="markers", name=style.label,
                           marker={"color": style.color, "symbol": style.symbol, "size": 15,
                                   "line": {"color": "white", "width": 2}},
                           hovertemplate=style.label + "<extra></extra>")
        # Away from the nearest other model, so that names of close ones do not overlap.
        _, below = min((np.hypot(x - a, y - b), b) for other, (a, b) in points.items()
                       if other != name)
        figure.add_annotation(x=x, y=y, text=f"<b>{style.label}</b>", showarrow=False,
                              yshift=20 if y > below else -20, bgcolor="rgba(255,255,255,0.9)",
                              font={"color": "#222222"}, borderpad=3)
    if axes is None:
        towards = method_style(list(points)[1]).label
        axes = (f"towards {towards} (distance in weights)", "across (same unit)")
    figure.update_xaxes(title=axes[0], constrain="domain",
                        range=[float(np.min(xs)), float(np.max(xs))])
    figure.update_yaxes(title=axes[1], scaleanchor="x", constrain="domain",
                        range=[float(np.min(ys)), float(np.max(ys))])
    figure.update_layout(template=plotly_template(dark), height=620, showlegend=False,
                         margin={"l": 60, "r": 20, "t": 30, "b": 120},
                         coloraxis={"colorscale": SEQUENTIAL, "cmin": low, "cmax": high,
                                    "colorbar": _bar("cross-entropy loss", low, high, log)})
    return figure


def panels(row: go.Figure) -> list[go.Figure]:
    """The panels of a row as figures of their own, for a page that may stack them.

    Each keeps the row's colour range, heights and camera, so that they still compare.
    """
    apart = []
    for place, title in enumerate(row.layout.annotations, start=1):
        end = "" if place == 1 else str(place)
        here = [trace for trace in row.data if end == (
            trace.scene.removeprefix("scene") if trace.type in ("surface", "scatter3d")
            else trace.xaxis.removeprefix("x"))]
        panel = go.Figure(here, {key: row.layout[key] for key in (
            "template", "height", "margin", "showlegend", "coloraxis")})
        if here and here[0].type == "surface":
            panel.update_traces(scene="scene")
            panel.update_layout(scene=row.layout[f"scene{end}"])
            panel.update_scenes(domain={"x": [0, 1], "y": [0, 1]})
        else:
            panel.update_traces(xaxis="x", yaxis="y")
            _square(panel, (row.layout.xaxis.title.text, row.layout.yaxis.title.text))
        panel.add_annotation(title).update_annotations(x=0.5)
        apart.append(panel)
    return apart


def live_plane(xs: np.ndarray, ys: np.ndarray, loss: np.ndarray, *, log: bool, dark: bool,
               computed: np.ndarray | None = None) -> dict[str, Any]:
    """A surface while it is computed, as ECharts options, which keep their place on the page.

    Cells are NaN until they are known. The colours span what is known so far.
    """
    z = height(loss, log)
    low, high = _span([z])
    tone = ink(dark)
    rows, columns = np.nonzero(np.isfinite(z))
    cells = [[int(j), int(i), round(float(z[i, j]), 4)] for i, j in zip(rows, columns, strict=True)]
    names = [[f"{value:.3g}" for value in axis] for axis in (xs, ys)]
    axis = {"type": "category", "axisTick": {"show": False}, "splitArea": {"show": False}}
    labels = [{"axisLabel": {"color": tone.text, "interval": max(len(words) // 6 - 1, 0)},
               "data": words} for words in names]
    series = [{"type": "heatmap", "data": cells, "progressive": 0, "animation": False}]
    if computed is not None and not np.all(computed | ~np.isfinite(z)):
        series.append({"type": "scatter", "symbolSize": 3, "silent": True, "animation": False,
                       "itemStyle": {"color": "#FFFFFF"},
                       "data": [[int(j), int(i)] for i, j in np.argwhere(computed)]})
    return {"animation": False, "grid": {"left": 56, "right": 90, "top": 16, "bottom": 40},
            "xAxis": axis | labels[0], "yAxis": axis | labels[1],
            "visualMap": {"min": low, "max": high, "seriesIndex": 0, "calculable": False,
                          "orient": "vertical", "right": 0, "top": "center", "itemHeight": 220,
                          "inRange": {"color": CIVIDIS}, "textStyle": {"color": tone.text},
                          "text": [_loss(high, log), _loss(low, log)]},
            "series": series}


def line_table(t: np.ndarray | Mapping[str, np.ndarray], curves: Curves) -> pd.DataFrame:
    """The numbers behind `line`: one row a position; a model with its own places has its own."""
    if isinstance(t, Mapping):
        return pd.concat([pd.DataFrame({"model": name, "t": t[name]} | dict(losses))
                          for name, losses in curves.items()], ignore_index=True)
    columns = {"t": t}
    for name, losses in curves.items():
        columns |= {f"{name} {kind}": loss for kind, loss in losses.items()}
    return pd.DataFrame(columns)


def plane_table(xs: np.ndarray, ys: np.ndarray, losses: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """The numbers behind a plane: one row a cell, one column a model."""
    x, y = np.meshgrid(xs, ys)
    columns = {"x": x.ravel(), "y": y.ravel()}
    return pd.DataFrame(columns | {name: np.ravel(loss) for name, loss in losses.items()})


def _span(heights) -> tuple[float, float]:
    """The least and greatest finite height; (0, 1) where there is none."""
    finite = np.concatenate([np.ravel(z)[np.isfinite(np.ravel(z))] for z in heights]
                            or [np.zeros(0)])
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ticks(low: float, high: float, log: bool) -> dict:
    """Tick marks in loss units for an axis whose coordinate may be log10 of the loss."""
    if not log:
        return {"nticks": 6}
    inside = [v for v in TICKS if low <= np.log10(v) <= high]
    if len(inside) < 2:
        inside = 10.0 ** np.linspace(low, high, 4)
    return {"tickvals": [float(np.log10(v)) for v in inside],
            "ticktext": [f"{v:.3g}" for v in inside]}


def _bar(title: str, low: float, high: float, log: bool) -> dict:
    """A colour bar below the panels, so that they keep their width on a phone."""
    place = {"x": 0.5, "xanchor": "center", "y": 0.01, "yref": "container", "yanchor": "bottom",
             "len": 0.9, "thickness": 12, "orientation": "h"}
    return {"title": {"text": title, "side": "bottom"}} | place | _ticks(low, high, log)


def _loss(height: float, log: bool) -> str:
    return f"{10**height if log else height:.2g}"


def _panels(losses: Mapping[str, np.ndarray], prefix: str = "",
            notes: Mapping[str, str] | None = None) -> go.Figure:
    titles = [prefix + method_style(name).label for name in losses]
    if notes:
        titles = [f"{title}<br><span style='font-size:12px'>{notes.get(name, '')}</span>"
                  for title, name in zip(titles, losses, strict=True)]
    return make_subplots(1, max(len(losses), 1), shared_yaxes=True, horizontal_spacing=0.03,
                         subplot_titles=titles)


def _dots(xs: np.ndarray, ys: np.ndarray, computed: np.ndarray) -> go.Scatter:
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
    figure.update_layout(template=plotly_template(dark), height=460 + 18 * lines,
                         showlegend=False,
                         margin={"l": 45, "r": 10, "t": 40 + 18 * lines, "b": 120})
    if "xaxis2" not in figure.layout:
        # Alone, a panel as wide as the page would squeeze its contours flat.
        _square(figure, axes)
    return figure


def _square(figure: go.Figure, axes: tuple[str, str]) -> None:
    figure.update_xaxes(title=axes[0], nticks=5, constrain="domain")
    figure.update_yaxes(title=axes[1], nticks=5, constrain="domain", scaleanchor="x")


def _label_ends(figure: go.Figure, ends: list[tuple[float, str, str]], gap: float) -> None:
    """Name each curve at its right end, pushed at least `gap` apart where labels would overlap.

    `ends` holds the height of each end in axis coordinates (log10 on a log axis). The topmost
    label stays at its line; the others give way downwards.
    """
    place = np.inf
    for y, text, color in sorted(ends, reverse=True):
        place = min(y, place - gap)
        figure.add_annotation(x=1.0, xref="paper", xanchor="left", y=y, yref="y", ax=24,
                              axref="pixel", ay=place, ayref="y", text=text, showarrow=True,
                              arrowhead=0, arrowwidth=1, arrowcolor=color,
                              font={"color": color, "size": 13})
