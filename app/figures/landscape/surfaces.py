"""Planes around the models as surfaces in three dimensions."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.landscape.scale import Masks, extent, height, loss_ticks
from app.theme import SEQUENTIAL, plotly_template
from app.theme import style as method_style

CAMERAS = {
    "iso": {"eye": {"x": 1.5, "y": -1.5, "z": 1.1},
            "center": {"x": 0, "y": 0, "z": -0.12}, "up": {"x": 0, "y": 0, "z": 1}},
    "top": {"eye": {"x": 0.0, "y": 0.0, "z": 2.1}, "up": {"x": 0, "y": 1, "z": 0}},
    "side": {"eye": {"x": 0.0, "y": -2.3, "z": 0.15}, "up": {"x": 0, "y": 0, "z": 1}},
}


def surface_row(xs: np.ndarray, ys: np.ndarray, losses: Mapping[str, np.ndarray], *, log: bool,
                dark: bool, camera: str = "iso", computed: Masks | None = None) -> go.Figure:
    """The same planes as surfaces: one scene per model, one height range, one colour scale."""
    heights = {name: height(loss, log) for name, loss in losses.items()}
    low, high = extent(heights.values())
    figure = make_subplots(1, max(len(heights), 1), horizontal_spacing=0.01,
                           specs=[[{"type": "scene"}] * max(len(heights), 1)],
                           subplot_titles=[method_style(n).label for n in losses])
    ticks = loss_ticks(low, high, log)
    for column, (name, z) in enumerate(heights.items(), start=1):
        figure.add_surface(x=xs, y=ys, z=z, coloraxis="coloraxis", connectgaps=False,
                           customdata=np.asarray(losses[name], float),
                           name=method_style(name).label,
                           hovertemplate="x %{x:.3g}, y %{y:.3g}<br>loss %{customdata:.4g}"
                                         "<extra>%{fullData.name}</extra>", row=1, col=column)
        if computed and name in computed:
            rows, columns = np.nonzero(computed[name])
            figure.add_scatter3d(x=np.asarray(xs)[columns], y=np.asarray(ys)[rows],
                                 z=z[rows, columns], mode="markers", hoverinfo="skip",
                                 marker={"size": 1.8, "color": "#FFFFFF" if dark else "#111111"},
                                 name="computed", row=1, col=column)
    figure.update_scenes(
        xaxis={"title": "x", "nticks": 4}, yaxis={"title": "y", "nticks": 4},
        zaxis={"title": "", "range": [low, high]} | ticks,
        aspectmode="manual", aspectratio={"x": 1, "y": 1, "z": 0.75}, camera=CAMERAS[camera])
    figure.update_layout(template=plotly_template(dark), height=350,
                         showlegend=False,
                         coloraxis={"colorscale": SEQUENTIAL, "cmin": low, "cmax": high,
                                    "showscale": False})
    return figure
