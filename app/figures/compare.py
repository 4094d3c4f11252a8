"""Several runs in one figure or in panels on shared scales; a run is its letter, A to F."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from app.figures import spectrum
from app.figures.curves import METRICS, decimate
from app.figures.landscape import contour_row, panels
from app.figures.landscape.scale import extent, height
from app.theme import COLORWAY, ink, plotly_template
from ngf_core.compare.differences import Row
from ngf_core.compare.intervals import POINTS

_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_MARKS = ("circle", "square", "diamond", "cross", "triangle-up", "star")
LETTERS = "ABCDEF"


@dataclass(frozen=True)
class Plane:
    """One landscape: axes (w,) and (h,), loss (h, w)."""

    xs: np.ndarray
    ys: np.ndarray
    loss: np.ndarray


def curves(points: Mapping[str, pd.DataFrame], metric: str, *, x: str, dark: bool) -> go.Figure:
    """One rate in percent against step or epoch, a line per run.

    points: letter -> rows of step and value of that rate; `x` names the axis.
    """
    figure, shown = go.Figure(), METRICS[metric]
    for letter, line in points.items():
        line, drawn = decimate(line), _look(letter)
        figure.add_scatter(
            x=line["step"], y=100 * line["value"], mode="lines", name=f"{letter} {shown.label}",
            line={"color": drawn.color, "dash": drawn.dash, "width": shown.width},
            hovertemplate=f"{letter} {shown.label} %{{y:.1f}} % at %{{x}}<extra></extra>")
    figure.update_xaxes(title=x)
    values = [100 * value for line in points.values() for value in line["value"]]
    # At least ten points high, so that a change of one image is no cliff.
    low = min(min(values), 88.0) - 2
    figure.update_yaxes(title=f"{shown.label}, %",
                        range=[-2 if metric == "asr" else low, 102])
    return _finish(figure, dark)


def differences(rows: Sequence[Row], letters: Callable[[Sequence[str]], str], *, dark: bool
                ) -> go.Figure:
    """Changes with their 95 % intervals, one row per measure and a mark per group of runs.

    rows: all of one unit; percentage points on a plain axis, ratios on a logarithmic one. letters:
    of ids. Hollow marks are not resolved.
    """
    figure = go.Figure()
    points = rows[0].unit == POINTS
    names = list(dict.fromkeys(row.title for row in rows))
    groups = list(dict.fromkeys(letters(row.runs) for row in rows))
    factor = 100 if points else 1
    for place, group in enumerate(groups):
        mine = [row for row in rows if letters(row.runs) == group and math.isfinite(row.change)]
        drawn = _look(group[0])
        ends = np.array([[row.low, row.change, row.high] for row in mine]).reshape(-1, 3) * factor
        reach = np.nan_to_num(np.abs(ends[:, [0, 2]] - ends[:, [1]]), posinf=0.0)
        offset = 0.7 * ((place + 0.5) / len(groups) - 0.5)
        figure.add_scatter(
            x=ends[:, 1], y=[names.index(row.title) + offset for row in mine], mode="markers",
            name=group, marker={
                "color": drawn.color, "size": 10, "line": {"color": drawn.color, "width": 2},
                "symbol": [drawn.symbol + "-open" * (not row.resolved) for row in mine]},
            error_x={"type": "data", "array": reach[:, 1], "arrayminus": reach[:, 0],
                     "color": drawn.color, "thickness": 2, "width": 4},
            text=[f"{group}: {row.title}" for row in mine],
            hovertemplate="%{text} " + ("%{x:+.1f} points" if points else "×%{x:.3g}")
                          + "<extra></extra>")
    figure.add_vline(x=0 if points else 1, line={"color": ink(dark).muted, "width": 1})
    figure.update_xaxes(title="change, percentage points" if points else "ratio to the baseline",
                        type="linear" if points else "log", nticks=7)
    if not points:
        ticks = _ratio_ticks(rows)
        figure.update_xaxes(tickvals=ticks, ticktext=[f"×{tick:g}" for tick in ticks])
    figure.update_yaxes(tickmode="array", tickvals=list(range(len(names))), ticktext=names,
                        showgrid=False, zeroline=False, range=[len(names) - 0.5, -0.5], ticks="")
    _finish(figure, dark)
    figure.update_layout(height=130 + len(names) * max(34, 18 * len(groups)),
                         margin={"l": 10, "r": 14, "t": 44, "b": 52})
    return figure


def spectra(runs: Mapping[str, tuple[spectrum.Pairs, spectrum.Pairs]], *, matrix: str, dark: bool
            ) -> list[go.Figure]:
    """A panel per run with its models' eigenvalues, all with the same axis.

    runs: letter -> largest and smallest eigenvalues with residuals, by model.
    """
    made = [_titled(spectrum.stems(top, lowest=low, matrix=matrix, dark=dark), letter)
            for letter, (top, low) in runs.items()]
    ends = [value + sign * np.nan_to_num(residual) for pair in runs.values() for part in pair
            for values, residuals in part.values() for sign in (-1, 1)
            for value, residual in zip(values, residuals, strict=True) if np.isfinite(value)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    pad = 0.06 * (high - low or 1.0)
    for figure in made:
        figure.update_yaxes(range=[low - pad * (low < 0), high + pad])
    return made


def densities(runs: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]], *, dark: bool
              ) -> list[go.Figure]:
    """A panel per run with its models' spectral densities, all with the same axes."""
    made = [_titled(spectrum.density(models, dark=dark), letter)
            for letter, models in runs.items()]
    grids = [grid for models in runs.values() for grid, _ in models.values() if len(grid)]
    heights = [figure.layout.yaxis.range for figure in made]
    for figure in made:
        figure.update_xaxes(range=[min(float(grid[0]) for grid in grids),
                                   max(float(grid[-1]) for grid in grids)])
        figure.update_yaxes(range=[min(low for low, _ in heights),
                                   max(high for _, high in heights)])
    return made


def planes(runs: Mapping[str, Plane], model: str, *, log: bool, dark: bool) -> list[go.Figure]:
    """A contour panel per run on one colour scale and the same axes, the widest of all."""
    low, high = extent([height(plane.loss, log) for plane in runs.values()])
    span = (10**low, 10**high) if log else (low, high)
    wide = [max(float(np.abs(getattr(plane, axis)).max()) for plane in runs.values())
            for axis in ("xs", "ys")]
    made = []
    for letter, plane in runs.items():
        row = contour_row(plane.xs, plane.ys, {model: plane.loss}, log=log, dark=dark, span=span)
        (panel,) = panels(row)
        panel.update_layout(title=f"<b>{letter}</b>")
        panel.update_xaxes(range=[-wide[0], wide[0]])
        panel.update_yaxes(range=[-wide[1], wide[1]])
        made.append(panel)
    return made


def stacked(tables: Mapping[str, pd.DataFrame], ids: Mapping[str, str]) -> pd.DataFrame:
    """Tables of several runs as one, the run's letter and id first; ids: by letter."""
    return pd.concat([table.assign(run=letter, **{"run id": ids[letter]})[
        ["run", "run id", *table.columns]] for letter, table in tables.items()], ignore_index=True)


def _ratio_ticks(rows: Sequence[Row]) -> list[float]:
    """1, 2 and 5 times powers of ten between the ends of all intervals; powers alone where there
    are many."""
    ends = [math.log10(end) for row in rows for end in (row.low, row.change, row.high)
            if 0 < end < math.inf]
    low, high = math.floor(min(ends)), math.ceil(max(ends))
    steps = (1, 2, 5) if high - low < 4 else (1,)
    every = max(1, (high - low) // 8)
    return [step * 10.0**power for power in range(low, high + 1, every) for step in steps]


@dataclass(frozen=True)
class _Look:
    color: str
    dash: str
    symbol: str


def _look(letter: str) -> _Look:
    place = LETTERS.index(letter)
    return _Look(COLORWAY[place], _DASHES[place], _MARKS[place])


def _titled(figure: go.Figure, title: str) -> go.Figure:
    return figure.update_layout(title=f"<b>{title}</b>")


def _finish(figure: go.Figure, dark: bool) -> go.Figure:
    figure.update_layout(template=plotly_template(dark), height=380, showlegend=True)
    return figure
