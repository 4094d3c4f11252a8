"""The layer map: what tuning each layer alone does, from the network's input to its output.

A map's frame has one row per layer and method: layer, index, method, the counts acc_hits, acc_n,
asr_hits, asr_n, ra_hits, ra_n (missing where nothing was measured), fisher_trace, seconds, stopped.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.figures.curves import race_options
from app.theme import ink, label_color, plotly_template, style
from ngf_core.evaluate.rates import Rate
from ngf_core.evidence.measures import COUNTS, counts_of, rate_in

RATES = ("asr", "ra", "acc")
PANELS = {"asr": ("ASR, %", 150), "ra": ("RA, %", 110), "acc": ("ACC, %", 110),
          "fisher_trace": ("Tr(F) of the tuned layer", 90), "seconds": ("Tuning seconds", 80)}
GAP, TOP, BOTTOM, LINE = 34, 50, 150, 20
APART = 0.1  # of a layer's place, between the methods


@dataclass(frozen=True)
class Pick:
    """A layer and who would choose it. `kind`: rule, default (the rule behind "auto"), oracle
    (chosen by the results under the attack, which no defender has)."""

    label: str
    layer: str
    kind: str = "rule"


def map_frame(entries: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The frame of a map's entries {"layer", "index", "method", "acc": {"hits", "n"} or None, ...}.
    """
    flat = []
    for entry in entries:
        flat.append({name: value for name, value in entry.items() if name not in RATES}
                    | counts_of(entry))
    columns = ["layer", "index", "method", *COUNTS, "fisher_trace", "seconds", "stopped"]
    frame = pd.DataFrame(flat, columns=list(dict.fromkeys([*columns, *(flat[0] if flat else ())])))
    frame[list(COUNTS)] = frame[list(COUNTS)].astype("Int64")
    frame[["fisher_trace", "seconds"]] = frame[["fisher_trace", "seconds"]].astype(float)
    return frame.sort_values(["index", "method"], kind="stable").reset_index(drop=True)


def layer_names(rows: pd.DataFrame) -> list[str]:
    """The layers of a map from input to output."""
    return list(rows.sort_values("index", kind="stable")["layer"].unique())


def layer_map(rows: pd.DataFrame, before: Mapping[str, Mapping[str, int] | None],
              picks: Sequence[Pick], *, dark: bool) -> go.Figure:
    """Rates with Wilson 95 % intervals, Fisher trace and seconds against the layers, one panel
    each.

    `before` holds the received model's counts, drawn as the grey dotted line. Below the panels the
    picks are marked at their layers; lines through all panels mark the default rule's (solid) and
    the oracle's (dotted). A hollow mark is a method that stopped early. Panels without any
    measurement are left out.
    """
    names, tone = layer_names(rows), ink(dark)
    place = {name: at for at, name in enumerate(names)}
    picks = [pick for pick in picks if pick.layer in place]
    panels = [name for name in PANELS if _measured(rows, name)]
    heights = [PANELS[name][1] for name in panels] + [LINE * len(picks) + 10] * bool(picks)
    inside = sum(heights) + GAP * (len(heights) - 1)
    figure = make_subplots(
        max(len(heights), 1), 1, shared_xaxes=True, row_heights=heights or None,
        vertical_spacing=GAP / inside if len(heights) > 1 else 0,
        subplot_titles=[PANELS[name][0] for name in panels] + ["Picked by"] * bool(picks))
    figure.update_annotations(x=0, xanchor="left", font={"size": 14, "color": tone.text})
    methods = list(dict.fromkeys(rows["method"]))
    for row, panel in enumerate(panels, start=1):
        for method in methods:
            of = rows[rows["method"] == method].sort_values("index")
            figure.add_trace(_line(of, panel, method, row == 1), row=row, col=1)
        received = before.get(panel) if panel in RATES else None
        if received:
            _level(figure, received, row, names)
        _y_axis(figure, rows, panel, row)
    if picks:
        _picks(figure, picks, place, tone, len(heights))
        _upright(figure, picks, place, tone, 1 - sum(heights[:-1]) / inside
                 - GAP * (len(heights) - 2) / inside)
    if panels:
        _end_labels(figure, rows, panels[0], methods, len(names), dark)
    # On an axis of categories Plotly writes as many names as there is room for.
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=names,
                        range=[-0.5, len(names) - 0.5], zeroline=False,
                        autotickangles=[0, -60, -90])
    figure.update_layout(template=plotly_template(dark), height=inside + TOP + BOTTOM,
                         scattermode="group", scattergap=1 - APART * max(len(methods), 1),
                         margin={"r": 52, "t": TOP})
    return figure


def map_alt(rows: pd.DataFrame) -> str:
    """The map in words: each method's ASR (ACC of a benign model) layer by layer."""
    rate = "asr" if _measured(rows, "asr") else "acc"
    parts = []
    for method, of in rows.groupby("method", sort=False):
        of = of.sort_values("index")
        values = [f"{layer} {known.percent(0)}" for layer, known
                  in zip(of["layer"], _rates(of, rate), strict=True) if known and known.n]
        parts.append(f"{style(method).label} {rate.upper()}: {', '.join(values) or 'not measured'}")
    return f"Small multiples over the layers from input to output. {'; '.join(parts)}."


def map_table(rows: pd.DataFrame) -> pd.DataFrame:
    """The numbers behind the map: rates in percent with intervals and counts."""
    table = rows[["layer", "method"]].copy()
    table["method"] = [style(method).label for method in table["method"]]
    for rate in RATES:
        if _measured(rows, rate):
            parts = [_percent(known) for known in _rates(rows, rate)]
            for place, name in enumerate((rate.upper(), f"{rate.upper()} low",
                                          f"{rate.upper()} high")):
                table[name] = [part[place] for part in parts]
            table[f"{rate.upper()} n"] = rows[f"{rate}_n"]
    rest = [name for name in ("fisher_trace", "seconds", "passes", "parameters", "stopped")
            if name in rows]
    return pd.concat([table, rows[rest]], axis=1)


def live_options(points: pd.DataFrame, methods: Sequence[str], layers: Sequence[str], *,
                 dark: bool) -> dict[str, Any]:
    """ASR (thick) and ACC (thin) of the layers so far, as ECharts options.

    `points` are those of a live map, whose step is the layer's place, from 1.
    """
    options = race_options(points.assign(step=points["step"] - 1), methods, live_metrics(points),
                           x_max=float(len(layers) - 1), dark=dark)
    options["xAxis"] |= {"type": "category", "data": list(layers), "boundaryGap": True, "name": ""}
    options["xAxis"].pop("min")
    options["xAxis"].pop("max")
    options["xAxis"]["axisLabel"] |= {"rotate": 90, "hideOverlap": False}
    options["grid"] |= {"bottom": 24 + round(7.2 * max(map(len, layers), default=0))}
    options["series"] = [line | {"symbol": "circle", "symbolSize": 7} for line in options["series"]
                         if "endLabel" in line]
    return options


def live_metrics(points: pd.DataFrame) -> list[str]:
    """Which of ASR and ACC a live map has; a benign model has no ASR."""
    known = set(points.dropna(subset="value")["metric"])
    return [name for name in ("asr", "acc") if name in known] or ["asr", "acc"]


def _measured(rows: pd.DataFrame, name: str) -> bool:
    return bool(rows[f"{name}_hits" if name in RATES else name].notna().any())


def _rates(rows: pd.DataFrame, name: str) -> list[Rate | None]:
    return [rate_in(row, name) for _, row in rows.iterrows()]


def _percent(rate: Rate | None) -> tuple[float, float, float]:
    """A rate and its Wilson interval in percent; NaN where nothing was measured."""
    if rate is None or not rate.n:
        return (math.nan,) * 3
    low, high = rate.interval
    return 100 * rate.value, 100 * low, 100 * high


def _line(of: pd.DataFrame, panel: str, method: str, legend: bool) -> go.Scatter:
    styled, bars, values = style(method), None, of.get(panel)
    texts = [f"{value:.3g}" for value in values] if values is not None else []
    if panel in RATES:
        parts = [_percent(known) for known in _rates(of, panel)]
        values = [value for value, _, _ in parts]
        bars = {"type": "data", "symmetric": False, "thickness": 1.5, "width": 3,
                "array": [high - value for value, _, high in parts],
                "arrayminus": [value - low for value, low, _ in parts]}
        texts = [f"{value:.1f} % ({low:.1f} to {high:.1f} %, n = {n})"
                 for (value, low, high), n in zip(parts, of[f"{panel}_n"], strict=True)]
    early = [bool(text) and not pd.isna(text) for text in of["stopped"]]
    return go.Scatter(
        x=list(of["layer"]), y=list(values), error_y=bars, mode="lines+markers", name=styled.label,
        offsetgroup=method, legendgroup=method, showlegend=legend, connectgaps=False,
        line={"color": styled.color, "dash": styled.dash, "width": 3 if panel == "asr" else 2},
        marker={"color": styled.color, "size": 8,
                "symbol": [styled.symbol + "-open" * stopped for stopped in early]},
        text=[f"{layer}<br>{styled.label} {PANELS[panel][0].split(',')[0]} {text}"
              + "<br>stopped early" * stopped
              for layer, text, stopped in zip(of["layer"], texts, early, strict=True)],
        hovertemplate="%{text}<extra></extra>")


def _level(figure: go.Figure, counts: Mapping[str, int] | None, row: int,
           names: Sequence[str]) -> None:
    """The received model's rate across a panel."""
    value, styled = _percent(Rate.from_json(counts))[0], style("before")
    figure.add_trace(go.Scatter(
        x=[names[0], names[-1]], y=[value, value], mode="lines", name=styled.label,
        legendgroup="before", showlegend=row == 1,
        line={"color": styled.color, "dash": styled.dash, "width": 2},
        hovertemplate=f"{styled.label} %{{y:.1f}} %<extra></extra>"), row=row, col=1)


def _y_axis(figure: go.Figure, rows: pd.DataFrame, panel: str, row: int) -> None:
    axis: dict[str, Any] = {"nticks": 4, "zeroline": False}
    if panel in RATES:
        floor = _floor(rows, panel)
        axis |= {"range": [floor - 0.04 * (100 - floor), 100 + 0.04 * (100 - floor)],
                 "tickvals": [floor, (floor + 100) / 2, 100]}
    elif panel == "fisher_trace":
        known = rows[panel][rows[panel] > 0]
        wide = len(known) and known.max() > 10 * known.min()
        axis |= {"type": "log", "tickformat": "~g", "dtick": 1 if wide else "D2"}
    else:
        axis |= {"rangemode": "tozero"}
    figure.update_yaxes(axis, row=row, col=1)


def _floor(rows: pd.DataFrame, rate: str) -> float:
    """The lower end of a rate's axis: zero, but higher for ACC, which changes little."""
    lows = [low for _, low, _ in map(_percent, _rates(rows, rate)) if math.isfinite(low)]
    return 10 * math.floor(min(lows, default=0) / 10) if rate == "acc" else 0


def _upright(figure: go.Figure, picks: Sequence[Pick], place: Mapping[str, int], tone: Any,
             low: float) -> None:
    """Lines from the top down to `low` (a share of the height) at the two picks to compare."""
    for pick in picks:
        if pick.kind != "rule":
            at, dash = place[pick.layer], "dot" if pick.kind == "oracle" else "solid"
            figure.add_shape(type="line", x0=at, x1=at, y0=low, y1=1, yref="paper", layer="between",
                             line={"color": tone.muted, "width": 1.5, "dash": dash})


def _picks(figure: go.Figure, picks: Sequence[Pick], place: Mapping[str, int], tone: Any,
           row: int) -> None:
    """One line per pick: a mark at its layer, labelled on the side that has more room."""
    marks = {"oracle": "star", "default": "diamond", "rule": "diamond-open"}
    middle = (len(place) - 1) / 2
    figure.add_trace(go.Scatter(
        x=[pick.layer for pick in picks], y=list(range(len(picks))), mode="markers+text",
        text=[f" <b>{p.label}</b> " if p.kind != "rule" else f" {p.label} " for p in picks],
        textposition=["middle right" if place[p.layer] <= middle else "middle left"
                      for p in picks],
        textfont={"size": 13, "color": tone.text}, showlegend=False, cliponaxis=False,
        marker={"symbol": [marks[p.kind] for p in picks], "size": 11, "color": tone.text},
        customdata=[p.layer for p in picks],
        hovertemplate="%{text}: %{customdata}<extra></extra>"), row=row, col=1)
    figure.update_yaxes(range=[len(picks) - 0.4, -0.6], showticklabels=False, ticks="",
                        showgrid=False, zeroline=False, row=row, col=1)


def _end_labels(figure: go.Figure, rows: pd.DataFrame, panel: str, methods: Sequence[str],
                layers: int, dark: bool) -> None:
    """The methods' names at the right end of the first panel, pushed apart where they overlap."""
    if panel not in RATES:
        return
    ends = []
    for method in methods:
        of = rows[rows["method"] == method].sort_values("index")
        values = [_percent(known)[0] for known in _rates(of, panel)]
        if values and math.isfinite(values[-1]):
            ends.append((values[-1], method))
    floor = _floor(rows, panel)
    gap = (100 - floor) * 0.13
    places: list[float] = []
    for value, _ in sorted(ends, reverse=True):
        places.append(min(value, places[-1] - gap) if places else value)
    # Plotly hides a label outside the axis range.
    lift = max(0.0, floor - min(places, default=floor))
    for place, (_, method) in zip(places, sorted(ends, reverse=True), strict=True):
        figure.add_annotation(
            x=layers - 0.5, y=place + lift, xref="x", yref="y", xanchor="left", showarrow=False,
            text=f"<b>{style(method).label}</b>",
            font={"size": 13, "color": label_color(style(method).color, dark)})
