"""The grid of a sweep as a heat map that fills in: attacks and seeds by methods."""

import html
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import get_colorscale, sample_colorscale, unlabel_rgb

from app.theme import SEQUENTIAL, ink, luminance, plotly_template
from ngf_core.evaluate.rates import RATES
from ngf_core.sweep.cell_states import DONE, FAILED, MISSING, QUEUED, RUNNING, STATES

# A state has its sign in each cell too, so that nobody needs its colour.
SIGNS = {DONE: "✓", RUNNING: "►", QUEUED: "…", FAILED: "✕", MISSING: "–"}
LIGHT = {DONE: "#0072B2", RUNNING: "#56B4E9", QUEUED: "#C3C9D2", FAILED: "#D55E00",
         MISSING: "#F0F2F5"}
DARK = LIGHT | {QUEUED: "#5C6470", MISSING: "#1E242F"}
STATE = "state"
# What a colour may mean: the word in the address and on screen.
SHOWN = {STATE: "State", **{name: name.upper() for name in RATES}}
MANY, SLIM = 40, 12  # rows and columns from which on cells and letters are small
MOST_SAID = 240


@dataclass(frozen=True)
class Places:
    """Where the cells stand: their rows, (attack, seed), and columns, methods, in order; and row
    and column of each cell."""

    rows: list[tuple[str, int]]
    columns: list[str]
    down: pd.Series
    across: pd.Series

    @property
    def slim(self) -> bool:
        """Whether there are so many rows that they have to be slim."""
        return len(self.rows) > MANY


def heat(cells: pd.DataFrame, show: str, attacks: Mapping[str, str], methods: Mapping[str, str],
         *, dark: bool) -> go.Figure:
    """One cell per row of `cells` (one data set and network), coloured by its state, or where
    `show` is a rate and it is measured, by that rate in percent, which it then holds as text.

    `attacks` and `methods` are the titles. A transparent mark on each cell receives the click: its
    customdata are (attack, seed, method). Cividis, reversed for ASR, so that bright is good.
    """
    places, values, colors = _places(cells), percent(cells, show), DARK if dark else LIGHT
    measured = values.notna()
    figure = go.Figure()
    state, known = cells["state"][~measured], values[measured]
    if len(state):
        _colour(figure, places, state.map(STATES.index), _steps(colors), -0.5, len(STATES) - 0.5)
        _text(figure, places, state.map(SIGNS), state.map(colors), 10 if places.slim else 14)
    if len(known):
        low, high = _range(known, show)
        scale = get_colorscale(f"{SEQUENTIAL}_r" if show == "asr" else SEQUENTIAL)
        _colour(figure, places, known, scale, low, high)
        shades = sample_colorscale(scale, (known.clip(low, high) - low) / (high - low))
        _text(figure, places, known.map("{:.0f}".format),
              pd.Series([_hex(shade) for shade in shades], known.index),
              10 if places.slim or len(places.columns) > SLIM else 12)
    figure.add_scatter(
        x=places.across, y=places.down, mode="markers", name="", showlegend=False,
        customdata=cells[["attack", "seed", "method"]].to_numpy(),
        hovertext=_told(cells, attacks, methods), hovertemplate="%{hovertext}<extra></extra>",
        marker={"size": 16, "opacity": 0, "symbol": "square"},
        selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}})
    for name, count in state.value_counts().reindex(STATES).dropna().items():
        figure.add_scatter(x=[None], y=[None], mode="markers", hoverinfo="skip",
                           name=f"{SIGNS[str(name)]} {name} ({count:,.0f})",
                           marker={"size": 12, "symbol": "square", "color": colors[str(name)],
                                   "line": {"color": ink(dark).muted, "width": 1}})
    _axes(figure, places, attacks, methods, ink(dark).muted)
    figure.update_layout(template=plotly_template(dark), hoverdistance=300, dragmode=False,
                         height=190 + (15 if places.slim else 25) * len(places.rows),
                         clickmode="event+select",
                         legend={"itemclick": False, "itemdoubleclick": False})
    return figure


def _places(cells: pd.DataFrame) -> Places:
    there = set(zip(cells["attack"], cells["seed"], strict=True))
    rows = [(attack, seed) for attack in cells["attack"].unique()
            for seed in sorted(cells["seed"].unique()) if (attack, seed) in there]
    columns = list(cells["method"].unique())
    down = cells[["attack", "seed"]].apply(tuple, axis=1).map({at: i for i, at in enumerate(rows)})
    return Places(rows, columns, down, cells["method"].map(columns.index))


def _colour(figure: go.Figure, places: Places, values: pd.Series, scale: list[Any], low: float,
            high: float) -> None:
    """Colours of some of the cells; the others are left to another layer."""
    z = np.full((len(places.rows), len(places.columns)), np.nan)
    z[places.down[values.index], places.across[values.index]] = values
    figure.add_heatmap(z=z, colorscale=scale, zmin=low, zmax=high, xgap=1, ygap=1,
                       showscale=False, hoverinfo="skip")


def _text(figure: go.Figure, places: Places, words: pd.Series, shades: pd.Series, size: int
          ) -> None:
    """Words on cells of these colours, in black or white, whichever is more legible: a trace for
    each, since a trace has one colour for what is not selected."""
    # Both have the same contrast where the luminance is the geometric mean of theirs.
    light = shades.map(luminance) + 0.05 > math.sqrt(0.05 * 1.05)
    for tone, of in (("#000000", light), ("#FFFFFF", ~light)):
        mine, font = words[of], {"textfont": {"color": tone}}
        figure.add_scatter(x=places.across[mine.index], y=places.down[mine.index], text=mine,
                           mode="text", textfont={"color": tone, "size": size}, name="",
                           showlegend=False, hoverinfo="skip", selected=font, unselected=font)


def _axes(figure: go.Figure, places: Places, attacks: Mapping[str, str],
          methods: Mapping[str, str], line: str) -> None:
    """Methods above, attacks and seeds at the left, a line between attacks."""
    rows, columns, bare = places.rows, places.columns, {"showgrid": False, "ticks": "",
                                                        "fixedrange": True}
    # Slanting, the last one would lie outside, and Plotly leaves such a label out.
    figure.update_xaxes(side="top", tickangle=-90, tickvals=list(range(len(columns))),
                        ticktext=[methods[name] for name in columns],
                        tickfont={"size": 10 if len(columns) > SLIM else 12},
                        range=[-0.5, len(columns) - 0.5], **bare)
    figure.update_yaxes(tickvals=list(range(len(rows))),
                        ticktext=[_row_name(rows, i, attacks) for i in range(len(rows))],
                        tickfont={"size": 10 if places.slim else 12},
                        range=[len(rows) - 0.5, -0.5], **bare)
    for i, (before, after) in enumerate(pairwise(rows)):
        if before[0] != after[0]:
            figure.add_hline(y=i + 0.5, line={"color": line, "width": 1})


def percent(cells: pd.DataFrame, rate: str) -> pd.Series:
    """A rate of each cell in percent; missing where it was not measured or has no images."""
    if rate not in RATES:
        return pd.Series(np.nan, index=cells.index)
    hits, n = (cells[f"{rate}_{part}"].astype("Float64") for part in ("hits", "n"))
    return (100 * hits / n.where(n > 0)).astype("float64")


def heat_table(cells: pd.DataFrame, attacks: Mapping[str, str], methods: Mapping[str, str]
               ) -> pd.DataFrame:
    """The cells behind `heat`: where each stands, and its rates in percent with their n."""
    rates = {f"{name.upper()}, %": percent(cells, name).round(1) for name in RATES}
    images = {f"n of {name.upper()}": cells[f"{name}_n"] for name in RATES}
    return pd.DataFrame({"attack": cells["attack"].map(attacks), "seed": cells["seed"],
                         "method": cells["method"].map(methods), "state": cells["state"],
                         "why": cells["said"], **rates, **images, "run": cells["run"]})


def _hex(shade: str) -> str:
    """"rgb(0, 34, 78)" as "#00224E"."""
    return "#" + "".join(f"{round(part):02X}" for part in unlabel_rgb(shade))


def _steps(colors: dict[str, str]) -> list[tuple[float, str]]:
    """A scale of one colour per state, in the order of `STATES`."""
    return [(place / len(STATES), colors[state]) for i, state in enumerate(STATES)
            for place in (i, i + 1)]


def _range(values: pd.Series, rate: str) -> tuple[float, float]:
    """ACC lies close together; ASR and RA take all of their scale."""
    return (float(values.min()), float(values.max()) + 1e-9) if rate == "acc" else (0, 100)


def _row_name(rows: Sequence[tuple[str, int]], place: int, attacks: Mapping[str, str]) -> str:
    """The attack stands at the first of its rows alone."""
    name, seed = rows[place]
    if place and rows[place - 1][0] == name:
        return str(seed)
    return attacks[name] if len({s for _, s in rows}) == 1 else f"{attacks[name]}, seed {seed}"


def _told(cells: pd.DataFrame, attacks: Mapping[str, str], methods: Mapping[str, str]
          ) -> list[str]:
    """What a cell says when it is pointed at; Plotly takes tags in it for its own."""
    rates = {name: percent(cells, name) for name in RATES}
    lines = []
    for i, row in zip(cells.index, cells.itertuples(), strict=True):
        known = ", ".join(f"{name.upper()} {of[i]:.1f} %" for name, of in rates.items()
                          if pd.notna(of[i]))
        said = "<br>".join(html.escape(line) for line in textwrap.wrap(row.said[:MOST_SAID], 60))
        lines.append("<br>".join(filter(None, (
            f"{attacks[row.attack]}, seed {row.seed}, {methods[row.method]}",
            f"{SIGNS[row.state]} {row.state}", known, said))))
    return lines
