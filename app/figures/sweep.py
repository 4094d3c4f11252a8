"""The grid of a sweep as a heat map that fills in: attacks and seeds by methods."""

import html
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.theme import SEQUENTIAL, ink, plotly_template
from ngf_core.evaluate.rates import RATES
from ngf_core.sweep.cell_states import DONE, FAILED, MISSING, QUEUED, RUNNING, STATES

# A state has its sign in each cell too, so that nobody needs its colour.
SIGNS = {DONE: "✓", RUNNING: "▶", QUEUED: "…", FAILED: "✕", MISSING: "–"}
LIGHT = {DONE: "#0072B2", RUNNING: "#56B4E9", QUEUED: "#C3C9D2", FAILED: "#D55E00",
         MISSING: "#F0F2F5"}
DARK = LIGHT | {QUEUED: "#5C6470", MISSING: "#1E242F"}
STATE = "state"
# What a colour may mean: the word in the address and on screen.
SHOWN = {STATE: "State", **{name: name.upper() for name in RATES}}
MANY, SLIM = 40, 12  # rows and columns from which on cells and letters are small
MOST_SAID = 240


def heat(cells: pd.DataFrame, show: str, attacks: Mapping[str, str],
         methods: Mapping[str, str], *, dark: bool) -> go.Figure:
    """One cell per row of `cells` (one data set and network), coloured by its state, or where
    `show` is a rate and it is measured, by that rate in percent, which it then holds as text.

    `attacks` and `methods` are the titles. A transparent mark on each cell receives the click: its
    customdata are (attack, seed, method). Cividis, reversed for ASR, so that bright is good.
    """
    known = set(zip(cells["attack"], cells["seed"], strict=True))
    rows = [(attack, seed) for attack in cells["attack"].unique()
            for seed in sorted(cells["seed"].unique()) if (attack, seed) in known]
    columns = list(dict.fromkeys(cells["method"]))
    down = cells[["attack", "seed"]].apply(tuple, axis=1).map({at: i for i, at in enumerate(rows)})
    across = cells["method"].map({name: i for i, name in enumerate(columns)})
    values = percent(cells, show)
    measured = values.notna()
    small = len(rows) > MANY
    sizes = {STATE: 10 if small else 14, show: 10 if small or len(columns) > SLIM else 12}
    figure = go.Figure()
    drawn = DARK if dark else LIGHT
    for kind, of in ((STATE, ~measured), (show, measured)):
        if not of.any():
            continue
        z = np.full((len(rows), len(columns)), np.nan)
        text = np.full(z.shape, "", dtype=object)
        at = down[of].to_numpy(), across[of].to_numpy()
        if kind == STATE:
            z[at], text[at] = cells["state"][of].map(STATES.index), cells["state"][of].map(SIGNS)
            scale, low, high = _steps(drawn), -0.5, len(STATES) - 0.5
        else:
            z[at], text[at] = values[of], [f"{value:.0f}" for value in values[of]]
            scale = f"{SEQUENTIAL}_r" if show == "asr" else SEQUENTIAL
            low, high = _range(values[of], show)
        figure.add_heatmap(z=z, text=text, texttemplate="%{text}", textfont={"size": sizes[kind]},
                           colorscale=scale, zmin=low, zmax=high, showscale=False, xgap=1, ygap=1,
                           hoverinfo="skip")
    figure.add_scatter(
        x=across, y=down, mode="markers", name="", showlegend=False,
        customdata=cells[["attack", "seed", "method"]].to_numpy(),
        hovertext=_told(cells, attacks, methods), hovertemplate="%{hovertext}<extra></extra>",
        marker={"size": 16, "opacity": 0, "symbol": "square"},
        selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}})
    for state in STATES:
        if (there := (cells["state"] == state) & ~measured).any():
            figure.add_scatter(x=[None], y=[None], mode="markers", hoverinfo="skip",
                               name=f"{SIGNS[state]} {state} ({there.sum():,})",
                               marker={"size": 12, "symbol": "square", "color": drawn[state],
                                       "line": {"color": ink(dark).muted, "width": 1}})
    names = [_row_name(rows, i, attacks) for i in range(len(rows))]
    figure.update_xaxes(side="top", tickangle=-60, tickvals=list(range(len(columns))),
                        ticktext=[methods[name] for name in columns], tickfont={"size": 12},
                        showgrid=False, ticks="", fixedrange=True,
                        range=[-0.5, len(columns) - 0.5])
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=names,
                        tickfont={"size": 10 if small else 12}, showgrid=False, ticks="",
                        fixedrange=True, range=[len(rows) - 0.5, -0.5])
    for i in range(1, len(rows)):
        if rows[i][0] != rows[i - 1][0]:
            figure.add_hline(y=i - 0.5, line={"color": ink(dark).muted, "width": 1})
    figure.update_layout(template=plotly_template(dark), hoverdistance=300, dragmode=False,
                         height=190 + (15 if small else 25) * len(rows),
                         clickmode="event+select", legend={"itemclick": False,
                                                           "itemdoubleclick": False})
    return figure


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
