"""The channels that the trigger switches on, before and after."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.figures.inside import heading
from app.theme import ink, plotly_template, style

if TYPE_CHECKING:
    from ngf_core.inside.channels import Shift

BAR = 1.96  # standard errors
TITLE = "shift, in standard deviations of clean images"


def channels(shifts: Mapping[str, "Shift"], count: int, *, dark: bool) -> list[go.Figure]:
    """One panel per model: the `count` channels that the trigger moves up most in it, with the
    shift of the same channels in the other models. Bars are ± 1.96 standard errors.

    The panels have the same axis, so that they can be compared.
    """
    order = {model: of.on(count) for model, of in shifts.items()}
    shown = [c for of in order.values() for c in of]
    away = [of.value[shown] + sign * BAR * of.error[shown] for of in shifts.values()
            for sign in (-1, 1)]
    low, high = np.nanmin([[0.0, *ends] for ends in away]), np.nanmax([[0.1, *e] for e in away])
    reach = [float(low - 0.05 * (high - low)), float(high + 0.05 * (high - low))]
    return [_panel(model, order[model], shifts, reach, dark) for model in shifts]


def _panel(owner: str, shown: Sequence[int], shifts: Mapping[str, "Shift"],
           reach: list[float], dark: bool) -> go.Figure:
    figure = go.Figure()
    for turn, (model, of) in enumerate(shifts.items()):
        drawn = style(model)
        away = 0.16 * (2 * turn - len(shifts) + 1)
        figure.add_scatter(
            x=of.value[shown], y=[place + away for place in range(len(shown))], mode="markers",
            name=heading(model), marker={"color": drawn.color, "symbol": drawn.symbol, "size": 9},
            error_x={"type": "data", "array": BAR * of.error[shown], "thickness": 1.5,
                     "width": 3, "color": drawn.color},
            text=[f"channel {c}: {of.value[c]:+.2f} ± {of.error[c]:.2f}" for c in shown],
            hovertemplate="%{text}<extra></extra>")
    figure.add_vline(x=0, line={"color": ink(dark).muted, "width": 1})
    figure.update_xaxes(title=TITLE, range=reach, zeroline=False)
    figure.update_yaxes(tickvals=list(range(len(shown))), ticktext=[f"channel {c}" for c in shown],
                        range=[len(shown) - 0.5, -0.5], showgrid=False, zeroline=False)
    figure.update_layout(
        template=plotly_template(dark), height=150 + 26 * len(shown), dragmode=False,
        title=f"<b>Most switched on: {heading(owner).lower()}</b>"
        if owner == "before" else f"<b>Most switched on: after {style(owner).label}</b>")
    return figure


def channels_table(shifts: Mapping[str, "Shift"]) -> pd.DataFrame:
    """One row per model and channel, with its rank from the one moved up most."""
    rows = []
    for model, of in shifts.items():
        rank = {c: place for place, c in enumerate(of.on(len(of.value)), start=1)}
        rows += [[model, c, rank.get(c), float(of.value[c]), float(of.error[c])]
                 for c in range(len(of.value))]
    return pd.DataFrame(rows, columns=["model", "channel", "rank", "shift (clean sd)",
                                       "standard error"])
