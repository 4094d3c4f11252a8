"""The benchmark's figures: a heat map attacks by defenses, means with intervals, the trade-off."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale, unlabel_rgb

from app.figures.name_places import name_places
from app.theme import SEQUENTIAL, ink, label_color, plotly_template, style
from ngf_core.evidence.measures import Measure

# Colours run between these; other measures use the range of the figure. A DER of 50 % is no effect.
SCALES = {"DER": (50, 100), "ASR": (0, 100), "RA": (0, 100)}


def shown(value: float, measure: Measure) -> str:
    """A value for display: rates in percent, others to three figures."""
    if not math.isfinite(value):
        return "–"
    return _tidy(f"{100 * value:.1f}") if measure.unit == "%" else _figures(value, 100)


def short(value: float, measure: Measure) -> str:
    """A value in about three characters, for a cell of the heat map."""
    if not math.isfinite(value):
        return "–"
    return _tidy(f"{100 * value:.0f}") if measure.unit == "%" else _figures(value, 10)


def _figures(value: float, whole: float) -> str:
    """The value without a decimal from `whole` on; thousands as k."""
    if abs(value) >= 1000:
        return f"{_figures(value / 1000, 10)}k"
    return _tidy(f"{value:.{0 if abs(value) >= whole else 1}f}")


def _tidy(number: str) -> str:
    """The number with a true minus sign, and none before zero."""
    return number.removeprefix("-") if float(number) == 0 else number.replace("-", "−")


def heat(means: pd.DataFrame, measure: Measure, *, attacks: Mapping[str, str],
         dark: bool) -> go.Figure:
    """One cell per defense (row) and attack (column) with its mean over seeds as text.

    means: defenses x attacks, NaN for a missing cell, which stays empty. `attacks` maps names to
    titles. A transparent mark on each cell receives the click: its customdata start with (attack,
    defense). Cividis, reversed for measures where lower is better, so that bright is good
    throughout. Counts and sharpness are coloured by their logarithm.
    """
    values = means.to_numpy(dtype=float)
    percent = measure.unit == "%"
    color = 100 * values if percent else np.log10(np.where(values > 0, values, np.nan))
    low, high = SCALES.get(measure.title) or _range(color)
    across = [attacks.get(name, name) for name in means.columns]
    down = [style(name).label for name in means.index]
    scale = SEQUENTIAL if measure.higher_is_better else f"{SEQUENTIAL}_r"
    figure = go.Figure(go.Heatmap(z=color, x=across, y=down, xgap=1, ygap=1, hoverinfo="skip",
                                  colorscale=scale, zmin=low, zmax=high, showscale=False))
    unit = f" {measure.unit}" if measure.unit else ""
    # One trace per ink: a trace has only one colour for unselected marks.
    inks = np.vectorize(lambda z: _ink_on(z, low, high, scale, dark), otypes=[object])(color)
    for tone in dict.fromkeys(inks.ravel()):
        at = np.argwhere(inks == tone)
        figure.add_scatter(
            x=[across[j] for _, j in at], y=[down[i] for i, _ in at], mode="markers+text",
            name="", showlegend=False, customdata=[(means.columns[j], means.index[i],
                                                    shown(values[i, j], measure)) for i, j in at],
            text=[short(values[i, j], measure) for i, j in at],
            textfont={"size": 12, "color": tone},
            marker={"size": 22, "opacity": 0, "symbol": "square"},
            selected={"marker": {"opacity": 0}, "textfont": {"color": tone}},
            unselected={"marker": {"opacity": 0}, "textfont": {"color": tone}},
            hovertemplate=f"%{{y}}, %{{x}}<br>{measure.title} %{{customdata[2]}}{unit}"
                          "<extra></extra>")
    figure.update_xaxes(side="top", tickangle=-60, tickfont={"size": 12}, showgrid=False, ticks="",
                        fixedrange=True)
    figure.update_yaxes(autorange="reversed", tickfont={"size": 12}, showgrid=False, ticks="",
                        fixedrange=True)
    figure.update_layout(template=plotly_template(dark), height=130 + 27 * len(down),
                         hoverdistance=60, clickmode="event+select", dragmode=False)
    return figure


def _range(color: np.ndarray) -> tuple[float, float]:
    known = color[np.isfinite(color)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)


def _ink_on(value: float, low: float, high: float, scale: str, dark: bool) -> str:
    """Black or white, whichever is more legible on the cell's colour; muted on an empty cell."""
    if not math.isfinite(value):
        return ink(dark).muted
    share = min(max((value - low) / (high - low), 0.0), 1.0) if high > low else 0.5
    parts = unlabel_rgb(sample_colorscale(scale, [share])[0])
    linear = [(c / 255 / 12.92) if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in parts]
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return "#000000" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "#FFFFFF"


def heat_table(means: pd.DataFrame, measure: Measure, attacks: Mapping[str, str]) -> pd.DataFrame:
    """The numbers behind `heat`, one row per defense."""
    factor = 100 if measure.unit == "%" else 1
    named = (factor * means).rename(index=lambda name: style(name).label,
                                    columns=lambda name: attacks.get(name, name))
    return named.rename_axis(index="defense", columns=None).reset_index()


def dots(ranks: pd.DataFrame, measure: Measure, *, dark: bool) -> go.Figure:
    """The mean of each defense with its 95 % interval, best first; a mean without an interval is
    hollow. `ranks` is the result of `ngf_core.evidence.rank.ranking`."""
    figure = go.Figure()
    factor = 100 if measure.unit == "%" else 1
    for name, row in ranks.iterrows():
        styled, known = style(str(name)), math.isfinite(row["low"])
        mean = factor * row["mean"]
        figure.add_scatter(
            x=[mean], y=[styled.label], mode="markers", name=styled.label, showlegend=False,
            marker={"color": styled.color, "size": 11,
                    "symbol": styled.symbol if known else "circle-open"},
            error_x={"type": "data", "array": [factor * (row["high"] - row["mean"])],
                     "arrayminus": [factor * (row["mean"] - row["low"])], "thickness": 2,
                     "width": 5, "color": styled.color} if known else None,
            hovertemplate=(f"{styled.label}: {shown(row['mean'], measure)}"
                           f"{interval(row, measure)}, n = {row['n']:.0f}<extra></extra>"))
    unit = f", {measure.unit}" if measure.unit else ""
    figure.update_xaxes(title=f"mean {measure.title}{unit}", zeroline=False)
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(template=plotly_template(dark), height=110 + 26 * len(ranks))
    return figure


def interval(row: Mapping[str, float], measure: Measure) -> str:
    """" (91.2 to 97.0)"; nothing where there is no interval."""
    if not math.isfinite(row["low"]):
        return ""
    return f" ({shown(row['low'], measure)} to {shown(row['high'], measure)})"


def pareto(means: pd.DataFrame) -> list[str]:
    """The defenses that no other beats: none has less ASR and no more ACC drop, or the reverse.

    means: columns asr and acc_drop; sorted from the least ACC drop. Of two equal ones both stay.
    """
    known = means.dropna()
    front = [name for name, mine in known.iterrows() if not any(
        (other <= mine).all() and (other < mine).any() for _, other in known.iterrows())]
    return sorted(front, key=lambda name: (known.loc[name, "acc_drop"], -known.loc[name, "asr"]))


def trade_off(means: pd.DataFrame, *, dark: bool) -> go.Figure:
    """Mean ASR over mean ACC drop, one mark per defense; those on the Pareto front are in bold and
    joined. means: defenses by asr and acc_drop, fractions."""
    figure, tone, front = go.Figure(), ink(dark), pareto(means)
    points = 100 * means[["acc_drop", "asr"]].dropna()
    low, high = (min(points["acc_drop"].min(), 0), max(points["acc_drop"].max(), 0)) \
        if len(points) else (0, 1)
    reach = max(high - low, 1)
    across, up = (low - 0.08 * reach, high + 0.3 * reach), (-4, max(points["asr"].max(), 10) * 1.08
                                                            if len(points) else 100)
    figure.add_scatter(x=points.loc[front, "acc_drop"], y=points.loc[front, "asr"],
                       mode="lines", line={"color": tone.muted, "width": 1.5, "dash": "dot"},
                       hoverinfo="skip", showlegend=False, name="Pareto front")
    places = name_places(points, {name: style(str(name)).label for name in points.index},
                         across, up)
    for name, row in points.iterrows():
        styled, place = style(str(name)), places[name]
        text = f"<b>{styled.label}</b>" if name in front else styled.label
        font = {"color": label_color(styled.color, dark), "size": 12}
        figure.add_scatter(
            x=[row["acc_drop"]], y=[row["asr"]], name=styled.label, showlegend=False,
            mode="markers" if place.away else "markers+text", text=[text],
            textposition=place.side, textfont=font,
            marker={"color": styled.color, "symbol": styled.symbol, "size": 11},
            hovertemplate=f"{styled.label}: ASR %{{y:.1f}} %, ACC drop %{{x:.1f}} points"
                          "<extra></extra>")
        if place.away:
            figure.add_annotation(x=row["acc_drop"], y=row["asr"], text=text, font=font,
                                  arrowcolor=tone.muted, arrowwidth=1, arrowhead=0, standoff=7,
                                  **place.annotation())
    figure.update_xaxes(title="mean ACC drop, points", zeroline=True, range=list(across))
    figure.update_yaxes(title="mean ASR, %", range=list(up))
    figure.update_layout(template=plotly_template(dark), height=440)
    return figure
