"""One plane through several models, with the paths that lead to them."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from app.figures.landscape.contours import computed_dots
from app.figures.landscape.scale import colour_bar, extent, height
from app.theme import SEQUENTIAL, plotly_template
from app.theme import style as method_style


def model_plane(xs: np.ndarray, ys: np.ndarray, loss: np.ndarray, points: Mapping[str, np.ndarray],
                paths: Mapping[str, np.ndarray], *, log: bool, dark: bool,
                computed: np.ndarray | None = None, axes: tuple[str, str] | None = None,
                steps: Mapping[str, np.ndarray] | None = None,
                chosen: tuple[float, float] | None = None) -> go.Figure:
    """One plane with the received model, the purified ones, and the paths to them.

    `points` maps the models, the received one first, to their (x, y); `paths` maps a method to its
    (s, 2) positions, projected. `axes` name the two directions; without them the plane is the one
    through three models, where only a path's ends lie in the plane.
    """
    z = height(loss, log)
    low, high = extent([z])
    steps = steps or {}
    ends = {name: [name, int(own[-1])] for name, own in steps.items()}
    if steps:
        first = next(iter(steps))
        ends["before"] = [first, int(steps[first][0])]
    figure = go.Figure(go.Contour(
        x=xs, y=ys, z=z, coloraxis="coloraxis", connectgaps=False, showlegend=False,
        customdata=np.asarray(loss, float), line={"width": 0.6, "color": "rgba(255,255,255,0.45)"},
        contours={"start": low, "end": high, "size": max(high - low, 1e-9) / 14},
        hovertemplate="x %{x:.3g}, y %{y:.3g}<br>loss %{customdata:.4g}<extra></extra>"))
    if computed is not None:
        figure.add_trace(computed_dots(xs, ys, computed))
    for name, path in paths.items():
        style = method_style(name)
        path = np.asarray(path, float)
        # White below the hue keeps a path visible on every part of the colour scale.
        for width, color, dash in ((7, "rgba(255,255,255,0.9)", "solid"),
                                   (3, style.color, style.dash)):
            figure.add_scatter(x=path[:, 0], y=path[:, 1], mode="lines", name=style.label,
                               line={"color": color, "width": width, "dash": dash},
                               hoverinfo="skip")
        if name in steps:  # as recorded; landscapes of earlier versions have none
            figure.add_scatter(
                x=path[:, 0], y=path[:, 1], mode="markers", name=style.label,
                marker={"color": style.color, "size": 9, "line": {"color": "white", "width": 1.5}},
                customdata=[[name, int(step)] for step in steps[name]],
                unselected={"marker": {"opacity": 1}},
                hovertemplate=style.label + ", step %{customdata[1]}<extra></extra>")
    for name, (x, y) in points.items():
        style = method_style(name)
        figure.add_scatter(x=[x], y=[y], mode="markers", name=style.label,
                           marker={"color": style.color, "symbol": style.symbol, "size": 15,
                                   "line": {"color": "white", "width": 2}},
                           customdata=[ends[name]] if name in ends else None,
                           unselected={"marker": {"opacity": 1}},
                           hovertemplate=style.label + "<extra></extra>")
        # Away from the nearest other model, so that names of close ones do not overlap.
        _, below = min((np.hypot(x - a, y - b), b) for other, (a, b) in points.items()
                       if other != name)
        figure.add_annotation(x=x, y=y, text=f"<b>{style.label}</b>", showarrow=False,
                              yshift=20 if y > below else -20, bgcolor="rgba(255,255,255,0.9)",
                              font={"color": "#222222"}, borderpad=3)
    if chosen is not None:
        figure.add_scatter(x=[chosen[0]], y=[chosen[1]], mode="markers", hoverinfo="skip",
                           marker={"color": "white", "symbol": "circle-open", "size": 24,
                                   "line": {"color": "white", "width": 3}})
    if axes is None:
        towards = method_style(list(points)[1]).label
        axes = (f"towards {towards} (distance in weights)", "across (same unit)")
    figure.update_xaxes(title=axes[0], constrain="domain",
                        range=[float(np.min(xs)), float(np.max(xs))])
    figure.update_yaxes(title=axes[1], scaleanchor="x", constrain="domain",
                        range=[float(np.min(ys)), float(np.max(ys))])
    figure.update_layout(template=plotly_template(dark), showlegend=False,
                         coloraxis={"colorscale": SEQUENTIAL, "cmin": low, "cmax": high,
                                    "colorbar": colour_bar("cross-entropy loss", low, high, log)})
    return figure
