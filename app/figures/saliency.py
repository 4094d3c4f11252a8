"""The pixels on which the attacker's label rests, before and after."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale, unlabel_rgb

from app.figures.inside import heading
from app.figures.landscape.scale import colour_bar
from app.theme import SEQUENTIAL, plotly_template

if TYPE_CHECKING:
    from ngf_core.inside.saliency import Share


def mean_map(maps: np.ndarray) -> np.ndarray:
    """The mean share of saliency per pixel, in multiples of an even map: (H, W) with mean 1; maps
    (n, H, W) that are zero or not finite are left out."""
    total = maps.sum((1, 2), keepdims=True)
    fit = (np.isfinite(total) & (total > 0)).ravel()
    if not fit.any():
        return np.zeros(maps.shape[1:])
    return (maps[fit] / total[fit]).mean(0) * maps[0].size


def mean_maps(maps: Mapping[str, np.ndarray], pixels: np.ndarray | None, *, dark: bool
              ) -> list[go.Figure]:
    """One panel per model on one colour scale; the trigger's region is framed. maps: of
    `mean_map`, by model."""
    most = max(float(of.max()) for of in maps.values()) or 1.0
    return [_panel(model, of, most, pixels, dark) for model, of in maps.items()]


def _panel(model: str, values: np.ndarray, most: float, pixels: np.ndarray | None,
           dark: bool) -> go.Figure:
    figure = go.Figure(go.Heatmap(
        z=values, coloraxis="coloraxis", name="",
        hovertemplate="row %{y}, column %{x}: %{z:.2f} times an even map"))
    if pixels is not None:
        rows, columns = np.nonzero(pixels)
        figure.add_shape(type="rect", x0=columns.min() - 0.5, x1=columns.max() + 0.5,
                         y0=rows.min() - 0.5, y1=rows.max() + 0.5,
                         line={"color": "#FFFFFF", "width": 2})
    tall, wide = values.shape
    figure.update_xaxes(visible=False, range=[-0.5, wide - 0.5], constrain="domain")
    figure.update_yaxes(visible=False, range=[tall - 0.5, -0.5], scaleanchor="x",
                        constrain="domain")
    figure.update_layout(
        template=plotly_template(dark), height=400, dragmode=False,
        coloraxis={"colorscale": SEQUENTIAL, "cmin": 0, "cmax": most,
                   "colorbar": colour_bar("times an even map", 0, most, False)},
        title=f"<b>{heading(model)}</b>")
    return figure


def shares_table(shares: Mapping[str, "Share"]) -> pd.DataFrame:
    """One row per model: share on the trigger, its error, an even map's share, their ratio, n."""
    return pd.DataFrame([[model, of.value, of.error, of.uniform, of.value / of.uniform, of.n]
                         for model, of in shares.items()],
                        columns=["model", "share on the trigger", "standard error",
                                 "share of an even map", "times even", "images"])


def pixel_table(maps: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """One row per model and pixel; maps: of `mean_map`, by model."""
    return pd.concat([pd.DataFrame({
        "model": model, "row": np.repeat(range(of.shape[0]), of.shape[1]),
        "column": np.tile(range(of.shape[1]), of.shape[0]), "times even": of.ravel()})
        for model, of in maps.items()], ignore_index=True)


def colored(maps: np.ndarray) -> np.ndarray:
    """Maps (n, H, W) as pictures, uint8 (n, 3, H, W), each from zero to its own greatest value."""
    scale = np.array([unlabel_rgb(color) for color in sample_colorscale(
        SEQUENTIAL, list(np.linspace(0, 1, 256)))]).round().astype(np.uint8)
    most = maps.max((1, 2), keepdims=True)
    level = np.divide(maps, most, out=np.zeros_like(maps), where=most > 0)
    return np.moveaxis(scale[(255 * np.nan_to_num(level)).astype(int)], -1, 1)
