"""Curvature figures: leading eigenvalues with residuals, spectral density, Fisher spectrum."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from app.theme import ink, plotly_template
from app.theme import style as method_style

TOLERANCE = 0.01
DECADES = 6
POWERS = {"size": 11}  # Plotly writes powers of ten a quarter larger


def unconverged(eigenvalues: ArrayLike, residuals: ArrayLike) -> np.ndarray:
    """True where the Ritz residual exceeds 1 % of the eigenvalue, or either is not finite."""
    values, residuals = np.asarray(eigenvalues, float), np.asarray(residuals, float)
    good = np.isfinite(values) & np.isfinite(residuals)
    return ~(good & (residuals <= TOLERANCE * np.abs(values)))


def with_error(value: float, error: float) -> str:
    """`value ± error`, both to the error's second significant digit at most four of the value's.

    An error below half a unit of the last shown digit is shown as below that unit.
    """
    if not np.isfinite(value):
        return "not finite"
    if not np.isfinite(error):
        return f"{value:.4g} ± unknown"
    if error <= 0:
        return f"{value:.4g} ± 0"
    places = max(1 - int(np.floor(np.log10(error))), 0)
    if value:
        places = min(places, max(3 - int(np.floor(np.log10(abs(value)))), 0))
    shown = f"{error:.{places}f}"
    return f"{value:,.{places}f} ± " + (shown if float(shown) else f"<{10.0**-places:.{places}f}")


Pairs = Mapping[str, tuple[np.ndarray, np.ndarray]]


def stems(models: Pairs, *, lowest: Pairs | None = None, matrix: str = "Hessian",
          dark: bool) -> go.Figure:
    """The leading eigenvalues of each model as stems, Ritz residuals as bars.

    `models` maps a model's name to eigenvalues and residuals, both (k,), largest first; `lowest`
    to the smallest, smallest first, drawn right of a gap. Hollow marks have not converged (residual
    above 1 % of the eigenvalue).
    """
    figure, lowest = go.Figure(), lowest or {}
    width = 0.6 / max(len(models), 1)
    most = max((len(values) for values, _ in models.values()), default=0)
    least = max((len(values) for values, _ in lowest.values()), default=0)
    for place, (name, (values, residuals)) in enumerate(models.items()):
        style = method_style(name)
        bottom, bounds = lowest.get(name, (np.empty(0), np.empty(0)))
        at = np.concatenate([np.arange(1, len(values) + 1),
                             most + least + 0.5 - np.arange(len(bottom))])
        ranks = rank_names(len(values), len(bottom))
        names = [f"λ{rank}" if rank.isdigit() else rank for rank in ranks]
        values = np.concatenate([values, bottom]).astype(float)
        residuals = np.concatenate([residuals, bounds]).astype(float)
        x = at + (place - (len(models) - 1) / 2) * width
        hollow = unconverged(values, residuals)
        gaps = np.full(len(values), np.nan)
        figure.add_scatter(x=np.stack([x, x, gaps], 1).ravel(), mode="lines", hoverinfo="skip",
                           y=np.stack([np.zeros(len(values)), values, gaps], 1).ravel(),
                           line={"color": style.color, "width": 3, "dash": style.dash},
                           showlegend=False)
        figure.add_scatter(
            x=x, y=values, mode="markers", name=style.label,
            error_y={"type": "data", "array": residuals, "thickness": 2,
                     "width": 6, "color": ink(dark).text},
            marker={"color": style.color, "size": 11, "line": {"color": style.color, "width": 2},
                    "symbol": [style.symbol + ("-open" if h else "") for h in hollow]},
            customdata=[[residual, f"{name}.{rank}"]
                        for residual, rank in zip(residuals.tolist(), ranks, strict=True)],
            text=names, unselected={"marker": {"opacity": 1}},
            hovertemplate=style.label + "<br>%{text} = %{y:.5g}"
                                        "<br>residual %{customdata[0]:.2g}<extra></extra>")
    figure.update_xaxes(title="rank of the eigenvalue", tickmode="array",
                        tickvals=[*range(1, most + 1), *(most + 1.5 + i for i in range(least))],
                        ticktext=[*map(str, range(1, most + 1)),
                                  *(_lowest_name(least - 1 - i) for i in range(least))])
    figure.update_yaxes(title=f"{matrix} eigenvalue λ", rangemode="tozero")
    return _finish(figure, dark)


def rank_names(largest: int, smallest: int) -> list[str]:
    """The names of so many eigenvalues: 1, 2, …, and from the smallest min, min+1, …"""
    return [*map(str, range(1, largest + 1)), *map(_lowest_name, range(smallest))]


def picked_stem(event: Mapping[str, Any] | None) -> str | None:
    """The eigenvalue whose mark a selection event of `stems` names, as "ngf.1"; else None."""
    marked = [point["customdata"] for point in (event or {}).get("selection", {}).get("points", ())
              if point.get("customdata")]
    return str(marked[0][1]) if marked else None


def _lowest_name(place: int) -> str:
    """λ_min, and those above it."""
    return "min" if place == 0 else f"min+{place}"


def density(models: Mapping[str, tuple[np.ndarray, np.ndarray]], *, dark: bool) -> go.Figure:
    """Spectral density of each model on a log axis: mean over probes, band from least to greatest.

    `models` maps a model's name to its grid (g,) and densities (probes, g).
    """
    figure = go.Figure()
    peak = max((float(np.nanmax(np.asarray(curves, float), initial=0.0))
                for _, curves in models.values()), default=0.0)
    floor = peak * 10.0**-DECADES if peak > 0 else 1e-12
    for name, (grid, curves) in models.items():
        style, curves = method_style(name), np.atleast_2d(np.asarray(curves, float))
        low, mean, high = (np.maximum(along(axis=0), floor)
                           for along in (curves.min, curves.mean, curves.max))
        figure.add_scatter(x=np.concatenate([grid, grid[::-1]]),
                           y=np.concatenate([high, low[::-1]]), mode="lines",
                           fill="toself", fillcolor=_faint(style.color), line={"width": 0},
                           hoverinfo="skip", showlegend=False,
                           legendgroup=name, name=style.label)
        mean[mean <= floor] = np.nan
        figure.add_scatter(x=grid, y=mean, mode="lines", name=style.label, legendgroup=name,
                           line={"color": style.color, "dash": style.dash, "width": 2.5},
                           hovertemplate=style.label + "<br>λ = %{x:.4g}<br>density %{y:.3g}"
                                                       "<extra></extra>")
    figure.update_xaxes(title="eigenvalue λ")
    figure.update_yaxes(title="density", type="log", exponentformat="power", dtick=1,
                        tickfont=POWERS, range=[np.log10(floor), np.log10(max(peak, floor)) + 0.3])
    return _finish(figure, dark)


def fisher(models: Mapping[str, np.ndarray], *, dark: bool) -> go.Figure:
    """Eigenvalues of the tuned layer's Fisher matrix, greatest first, on a log axis.

    Values that are not positive cannot be drawn on a log axis and are left out.
    """
    figure = go.Figure()
    for name, values in models.items():
        style, values = method_style(name), descending(values)
        mode = "lines" if len(values) > 30 else "lines+markers"
        figure.add_scatter(x=np.arange(1, len(values) + 1), y=values, mode=mode,
                           name=style.label, marker={"symbol": style.symbol, "size": 6},
                           line={"color": style.color, "dash": style.dash, "width": 2},
                           hovertemplate=style.label + "<br>rank %{x}<br>%{y:.4g}<extra></extra>")
    figure.update_xaxes(title="rank of the eigenvalue")
    shown = [trace.y for trace in figure.data if len(trace.y)]
    decades = max((np.log10(y[0] / y[-1]) for y in shown), default=1.0)
    figure.update_yaxes(title="Fisher eigenvalue", type="log", exponentformat="power",
                        dtick=max(1, int(np.ceil(decades / 8))), tickfont=POWERS)
    return _finish(figure, dark)


def descending(values: np.ndarray) -> np.ndarray:
    """The positive finite values, greatest first."""
    values = np.asarray(values, float)
    return np.sort(values[np.isfinite(values) & (values > 0)])[::-1]


def stems_table(models: Pairs, lowest: Pairs | None = None) -> pd.DataFrame:
    """The numbers behind `stems`, with the verdict of convergence; the smallest last."""
    frames = []
    for name, (values, residuals) in models.items():
        bottom, bounds = (lowest or {}).get(name, (np.empty(0), np.empty(0)))
        ranks = rank_names(len(values), len(bottom))
        values = np.concatenate([values, bottom])
        residuals = np.concatenate([residuals, bounds])
        frames.append(pd.DataFrame({"model": name, "rank": ranks, "eigenvalue": values,
                                    "residual": residuals,
                                    "converged": ~unconverged(values, residuals)}))
    return _stacked(frames, ["model", "rank", "eigenvalue", "residual", "converged"])


def density_table(models: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    """The numbers behind `density`: mean, least and greatest over the probes."""
    frames = []
    for name, (grid, curves) in models.items():
        curves = np.atleast_2d(np.asarray(curves, float))
        frames.append(pd.DataFrame({"model": name, "eigenvalue": grid, "density": curves.mean(0),
                                    "least": curves.min(0), "greatest": curves.max(0)}))
    return _stacked(frames, ["model", "eigenvalue", "density", "least", "greatest"])


def fisher_table(models: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """The numbers behind `fisher`."""
    frames = [pd.DataFrame({"model": name, "rank": np.arange(1, len(descending(values)) + 1),
                            "eigenvalue": descending(values)}) for name, values in models.items()]
    return _stacked(frames, ["model", "rank", "eigenvalue"])


def _stacked(frames: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def _faint(color: str) -> str:
    red, green, blue = (int(color[i:i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.22)"


def _finish(figure: go.Figure, dark: bool) -> go.Figure:
    figure.update_layout(template=plotly_template(dark), height=400)
    return figure
