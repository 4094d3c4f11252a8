"""Which label images get by their true one, before and after."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.figures.inside import heading
from app.theme import SEQUENTIAL, plotly_template

# Classes up to which each count is written into its cell.
WRITTEN = 12


def matrices(counts: Mapping[str, np.ndarray], names: Sequence[str], target: int | None, *,
             dark: bool) -> list[go.Figure]:
    """One panel per model: rows the true label, columns the answer, colour the share of a row.

    counts: (classes, classes) by model. target: the attacker's one label, written bold.
    """
    return [_matrix(model, of, names, target, dark) for model, of in counts.items()]


def _matrix(model: str, counts: np.ndarray, names: Sequence[str], target: int | None,
            dark: bool) -> go.Figure:
    figure = go.Figure()
    rows = counts.sum(1, keepdims=True)
    share = np.divide(counts, rows, out=np.full(counts.shape, np.nan), where=rows > 0)
    ticks = [f"<b>{name}</b>" if i == target else name for i, name in enumerate(names)]
    figure.add_heatmap(
        z=share, zmin=0, zmax=1, colorscale=SEQUENTIAL, xgap=1, ygap=1, showscale=False,
        customdata=counts, hoverongaps=False, name="",
        hovertemplate="true %{y}, answer %{x}: %{customdata} images (%{z:.0%} of the row)")
    if len(names) <= WRITTEN:
        for light in (True, False):
            at = [(i, j) for i, j in np.argwhere(counts > 0) if (share[i, j] > 0.5) == light]
            figure.add_scatter(
                x=[j for _, j in at], y=[i for i, _ in at], mode="text", hoverinfo="skip",
                text=[str(counts[i, j]) for i, j in at], showlegend=False,
                textfont={"size": 12, "color": "#000000" if light else "#FFFFFF"})
    places = list(range(len(names)))
    figure.update_xaxes(tickvals=places, ticktext=ticks, tickangle=-60, showgrid=False, ticks="",
                        zeroline=False, title="answer", constrain="domain",
                        range=[-0.5, len(names) - 0.5])
    figure.update_yaxes(tickvals=places, ticktext=ticks, showgrid=False, ticks="",
                        title="true label", zeroline=False,
                        range=[len(names) - 0.5, -0.5])
    figure.update_layout(
        template=plotly_template(dark), height=max(430, 170 + 12 * len(names)), dragmode=False,
        title=f"<b>{heading(model)}</b>")
    return figure


def matrices_table(counts: Mapping[str, np.ndarray], names: Sequence[str]) -> pd.DataFrame:
    """One row per cell that has an image: model, true label, answer, images."""
    return pd.DataFrame([[model, names[i], names[j], int(of[i, j])] for model, of in counts.items()
                         for i, j in np.argwhere(of > 0)],
                        columns=["model", "true label", "answer", "images"])
