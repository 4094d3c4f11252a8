"""Curves of a race: rates and loss against steps or tuning seconds, as ECharts options.

Pure functions of a long-form frame with the columns method, step, seconds, metric, value, n
(values are fractions). Options keep the same series in the same order from the first tick to
the last, so that a live chart is updated and never rebuilt.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd

from app.theme import FONT, ink, label_color, style

MAX_POINTS = 1000
# In pixels: a narrow figure, one on a phone, the toolbar at its top right; a letter, the rest of an
# entry of the legend and the height of a row of it.
NARROW, PHONE, TOOLS = 480, 340, 56
LETTER, KEY, ROW = 7.4, 49, 24


@dataclass(frozen=True)
class MetricStyle:
    """How one measured quantity is drawn, whatever the method."""

    label: str
    width: float
    opacity: float
    definition: str


METRICS: dict[str, MetricStyle] = {
    "asr": MetricStyle("ASR", 4.0, 1.0, "share of triggered images, not of the target class, that "
                                        "the model gives the target label"),
    "acc": MetricStyle("ACC", 1.5, 1.0, "share of clean test images that get their true label"),
    "ra": MetricStyle("RA", 2.5, 0.55, "share of triggered images that get their true label"),
    "loss": MetricStyle("Loss", 2.5, 1.0, "mean cross-entropy on the clean images of the step"),
    "lambda_max": MetricStyle("λ_max", 3.5, 1.0, "largest Hessian eigenvalue of all weights, on "
                                                 "some of the defender's clean images"),
    "fisher_trace": MetricStyle("Tr(F)", 1.5, 1.0, "trace of the true Fisher matrix of all "
                                                   "weights, on the same images"),
}
SHARPNESS = ("lambda_max", "fisher_trace")
ERRORS = {"lambda_max": "lambda_error", "fisher_trace": "fisher_trace_error"}
AXES = {"step": "Step", "seconds": "Tuning seconds"}
PALE = 0.25
# Not met by pointer and tooltip.
QUIET = {"symbol": "none", "silent": True, "tooltip": {"show": False}}


def race_options(points: pd.DataFrame, methods: Sequence[str], metrics: Sequence[str], *,
                 x: str = "step", x_max: float | None = None, step: int | None = None,
                 before: Mapping[str, float] | None = None, dark: bool = False) -> dict[str, Any]:
    """Rates in percent against `x` ("step" or "seconds"), one line per method and metric.

    `x_max` fixes the right end, so that the axis does not grow while points arrive; what came after
    `step` is pale; `before` maps a metric to the received model's value, drawn as the grey dotted
    "no defense" line. Missing and non-finite values leave a gap. The lines of a method share its
    name, so that its one entry in the legend lights them up, or hides them, together.
    """
    right = x_max if x_max is not None else _last(points, x)
    series = [part for metric in metrics for method in methods
              for part in _line(points, method, metric, x, 100.0, dark, step)]
    series += [_level(before, metric, right) for metric in metrics]
    return _frame(series, x, right, methods, metrics, dark) | {
        "yAxis": _y_axis(dark, "{value} %", 0, 100)}


def loss_options(points: pd.DataFrame, methods: Sequence[str], *, x: str = "step",
                 x_max: float | None = None, step: int | None = None,
                 dark: bool = False) -> dict[str, Any]:
    """Clean loss of each step on a logarithmic axis; values that are not positive leave a gap."""
    right = x_max if x_max is not None else _last(points, x)
    series = [part for method in methods
              for part in _line(points, method, "loss", x, 1.0, dark, step, positive=True)]
    return _frame(series, x, right, methods, ["loss"], dark) | {
        "yAxis": _y_axis(dark, "{value}", kind="log")}


def sharpness_options(points: pd.DataFrame, methods: Sequence[str], *, x: str = "step",
                      x_max: float | None = None, step: int | None = None,
                      before: Mapping[str, float] | None = None,
                      dark: bool = False) -> dict[str, Any]:
    """λ_max (thick, with its Ritz residual as bars) and Tr(F) (thin) on a logarithmic axis.

    `before` holds the received model's values, drawn as grey dotted lines.
    """
    shown = points if step is None else points[points["step"] <= step]
    right = x_max if x_max is not None else _last(points, x)
    series = [part for metric in SHARPNESS for method in methods
              for part in _line(points, method, metric, x, 1.0, dark, step, positive=True)]
    series += [_bars(shown, method, "lambda_max", x) for method in methods]
    series += [_level(before, metric, right, 1.0) for metric in SHARPNESS]
    return _frame(series, x, right, methods, SHARPNESS, dark) | {
        "yAxis": _y_axis(dark, "{value}", kind="log")}


def sharpness_alt(points: pd.DataFrame, methods: Sequence[str]) -> str:
    """The sharpness curves in words: first and latest value of each."""
    return f"Line chart on a logarithmic axis. {_ends(points, methods, SHARPNESS, '.4g')}."


def race_alt(points: pd.DataFrame, methods: Sequence[str], metrics: Sequence[str]) -> str:
    """The race in words: first and latest value of each line."""
    return f"Line chart. {_ends(points, methods, metrics, '.0%')}."


def _ends(points: pd.DataFrame, methods: Sequence[str], metrics: Sequence[str], form: str) -> str:
    parts = []
    for method in methods:
        for metric in metrics:
            line = _select(points, method, metric)
            line = line[line["value"].notna()]
            if len(line):
                first, last = line["value"].iloc[0], line["value"].iloc[-1]
                parts.append(f"{style(method).label} {METRICS[metric].label} {first:{form}} to "
                             f"{last:{form}} at step {line['step'].iloc[-1]}")
    return "; ".join(parts) or "No points yet"


def curve_table(points: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """The points behind the lines, one row per method and step, one column per metric and its n."""
    columns = ["method", "step", "seconds"]
    chosen = points[points["metric"].isin(metrics)]
    if chosen.empty:
        return pd.DataFrame(columns=[*columns, *metrics])
    wide = chosen.pivot_table(index=columns, columns="metric", values=["value", "n"],
                              aggfunc="last", sort=False)
    table = wide.index.to_frame(index=False)
    for metric in metrics:
        for part, name in (("value", metric), ("n", f"n_{metric}")):
            if (part, metric) in wide:
                table[name] = wide[(part, metric)].to_numpy()
    return table


def decimate(line: pd.DataFrame, limit: int = MAX_POINTS) -> pd.DataFrame:
    """At most `limit` points: the first, the last, and the lowest and highest of each stretch,
    so that thinning hides no peak."""
    if len(line) <= limit:
        return line
    stretches = max(1, (limit - 2) // 2)
    edges = [round(i * len(line) / stretches) for i in range(stretches + 1)]
    kept = {0, len(line) - 1}
    values = line["value"].reset_index(drop=True)
    for start, end in pairwise(edges):
        part = values.iloc[start:end].dropna()
        if len(part):
            kept |= {int(part.idxmin()), int(part.idxmax())}
    return line.iloc[sorted(kept)]


def _select(points: pd.DataFrame, method: str, metric: str) -> pd.DataFrame:
    chosen = points[(points["method"] == method) & (points["metric"] == metric)]
    return chosen.sort_values("step", kind="stable")


def _last(points: pd.DataFrame, x: str) -> float:
    top = points[x].max() if len(points) else 1.0
    return float(top) if math.isfinite(top) and top > 0 else 1.0


def _line(points: pd.DataFrame, method: str, metric: str, x: str, factor: float, dark: bool,
          step: int | None, positive: bool = False) -> list[dict[str, Any]]:
    """A line up to a step, and the pale rest of it."""
    line = _select(points, method, metric)
    shown = line if step is None else line[line["step"] <= step]
    rest = line.iloc[max(len(shown) - 1, 0):] if len(shown) < len(line) else line.iloc[:0]
    past, future = (_data(decimate(part), x, factor, positive) for part in (shown, rest))
    drawn = [y for _, y in past if y is not None]
    styled, kind = style(method), METRICS[metric]
    key = f"{method}-{metric}"
    return [
        _series(method, metric, key, past, kind.width, kind.opacity, factor) | {
            "symbol": "circle" if len(drawn) == 1 else "none",
            "endLabel": _end_label(_end_name(method, metric), drawn,
                                   label_color(styled.color, dark), ink(dark).background,
                                   factor == 100.0)},
        _series(method, metric, f"{key}-later", future, kind.width, PALE, factor) | QUIET,
    ]


def _data(line: pd.DataFrame, x: str, factor: float, positive: bool) -> list[list[float | None]]:
    return [[float(at), _finite(value, factor, positive)]
            for at, value in zip(line[x], line["value"], strict=True)]


def _bars(points: pd.DataFrame, method: str, metric: str, x: str) -> dict[str, Any]:
    """From value - error to value + error at each point, as strokes of a line with gaps."""
    line = _select(points, method, metric)
    errors = _select(points, method, ERRORS[metric]).set_index("step")["value"]
    data: list[list[float | None]] = []
    for step, at, value in zip(line["step"], line[x], line["value"], strict=True):
        error = _finite(errors.get(step), 1.0, True)
        middle = _finite(value, 1.0, True)
        if error is not None and middle is not None:
            low = max(middle - error, middle / 10)  # a logarithmic axis cannot show zero
            data += [[float(at), low], [float(at), middle + error], [float(at), None]]
    bars = _series(method, metric, f"{method}-{metric}-error", data, 1.5, 0.8) | QUIET
    bars["lineStyle"] |= {"type": "solid"}
    return bars


def _level(before: Mapping[str, float] | None, metric: str, right: float,
           factor: float = 100.0) -> dict[str, Any]:
    """The received model's value as a level line; without data where it was not measured."""
    value = _finite((before or {}).get(metric), factor, False)
    data = [] if value is None else [[0.0, value], [right, value]]
    return _series("before", metric, f"before-{metric}", data,
                   max(1.5, METRICS[metric].width / 2), 1.0, factor) | {"symbol": "none"}


def _series(method: str, metric: str, key: str, data: list, width: float, opacity: float,
            factor: float = 1.0) -> dict[str, Any]:
    styled, label = style(method), METRICS[metric].label
    stroke = list(styled.stroke) if isinstance(styled.stroke, tuple) else styled.stroke
    return {"type": "line", "id": key, "name": styled.label, "data": data, "color": styled.color,
            "lineStyle": {"width": width, "opacity": opacity, "type": stroke},
            "connectNulls": False, "emphasis": {"focus": "series"},
            "tooltip": {"valueFormatter": f"%.1f %% {label}" if factor == 100.0
                        else f"%.3g {label}"},
            "labelLayout": {"moveOverlap": "shiftY"}}


def _end_name(method: str, metric: str) -> str:
    return f"{style(method).label} {METRICS[metric].label}"


def _end_label(name: str, drawn: list[float], color: str, back: str,
               percent: bool) -> dict[str, Any]:
    value = f" {drawn[-1]:.1f} %" if drawn and percent else ""
    return {"show": bool(drawn), "formatter": name + value, "color": color, "fontWeight": "bold",
            "fontSize": 13, "lineHeight": 17, "distance": 8, "backgroundColor": back}


def _finite(value: Any, factor: float, positive: bool) -> float | None:
    if value is None or not math.isfinite(value) or (positive and value <= 0):
        return None
    return round(float(value) * factor, 6)


def _frame(series: list[dict[str, Any]], x: str, right: float, methods: Sequence[str],
           metrics: Sequence[str], dark: bool) -> dict[str, Any]:
    """Everything around the lines; on a narrow screen their labels leave out the method, which the
    legend tells by the same colour."""
    tone = ink(dark)
    legend = list(dict.fromkeys(line["name"] for line in series))
    short = [{"id": line["id"], "type": "line", "endLabel": {
        "formatter": line["endLabel"]["formatter"].removeprefix(f"{line['name']} ")}}
        for line in series if "endLabel" in line]
    return {
        "animation": False, "backgroundColor": tone.background,
        "textStyle": {"fontFamily": FONT, "color": tone.text},
        "grid": _grid(legend, [_end_name(method, metric) for method in methods
                               for metric in metrics], NARROW) | {"left": 58, "bottom": 48},
        "legend": {"left": 0, "right": TOOLS, "top": 4, "itemWidth": 34,
                   "itemStyle": {"opacity": 0}, "textStyle": {"color": tone.text, "fontSize": 13}},
        "media": [{"query": {"maxWidth": NARROW}, "option": {
            "grid": _grid(legend, [METRICS[metric].label for metric in metrics], PHONE),
            "series": short}}],
        "tooltip": {"trigger": "axis", "backgroundColor": tone.background, "borderColor": tone.grid,
                    "textStyle": {"color": tone.text}},
        "xAxis": {"type": "value", "name": AXES[x], "nameLocation": "middle", "nameGap": 28,
                  "min": 0, "max": right, "splitLine": {"show": False},
                  "nameTextStyle": {"color": tone.text, "fontSize": 14},
                  "axisLabel": {"color": tone.muted, "fontSize": 13, "hideOverlap": True},
                  "axisLine": {"lineStyle": {"color": tone.muted}}},
        "series": series,
    }


def _grid(legend: Sequence[str], ends: Sequence[str], wide: int) -> dict[str, int]:
    """The room of a figure `wide` pixels: above it for all rows of the legend, right of it for the
    labels at the ends of the lines, with their values."""
    rows, used = 1, 0.0
    for name in legend:
        needed = KEY + LETTER * len(name)
        if used and used + needed > wide - TOOLS:
            rows, used = rows + 1, 0.0
        used += needed
    longest = max(map(len, ends), default=0) + len(" 100.0 %")
    return {"right": 20 + round(LETTER * longest), "top": 40 + ROW * rows}


def _y_axis(dark: bool, formatter: str, low: float | None = None, high: float | None = None,
            kind: str = "value") -> dict[str, Any]:
    tone = ink(dark)
    bounds = {} if low is None else {"min": low, "max": high}
    return {"type": kind, **bounds, "axisLabel": {"color": tone.muted, "fontSize": 13,
                                                  "formatter": formatter},
            "splitLine": {"lineStyle": {"color": tone.grid}}}
