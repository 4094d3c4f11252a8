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


def race_options(points: pd.DataFrame, methods: Sequence[str], metrics: Sequence[str], *,
                 x: str = "step", x_max: float | None = None, step: int | None = None,
                 before: Mapping[str, float] | None = None, dark: bool = False) -> dict[str, Any]:
    """Rates in percent against `x` ("step" or "seconds"), one line per method and metric.

    `x_max` fixes the right end, so that the axis does not grow while points arrive; `step` hides
    what came after that step; `before` maps a metric to the received model's value, drawn
    as the grey dotted "no defense" line. Missing and non-finite values leave a gap.
    """
    shown = points if step is None else points[points["step"] <= step]
    right = x_max if x_max is not None else _last(points, x)
    series = [_line(shown, method, metric, x, 100.0, dark)
              for metric in metrics for method in methods]
    series += [_level(before, metric, right) for metric in metrics]
    return _frame(series, x, right, "%", dark) | {"yAxis": _y_axis(dark, "{value} %", 0, 100)}


def loss_options(points: pd.DataFrame, methods: Sequence[str], *, x: str = "step",
                 x_max: float | None = None, step: int | None = None,
                 dark: bool = False) -> dict[str, Any]:
    """Clean loss of each step on a logarithmic axis; values that are not positive leave a gap."""
    shown = points if step is None else points[points["step"] <= step]
    right = x_max if x_max is not None else _last(points, x)
    series = [_line(shown, method, "loss", x, 1.0, dark, positive=True) for method in methods]
    return _frame(series, x, right, "", dark) | {"yAxis": _y_axis(dark, "{value}", kind="log")}


def sharpness_options(points: pd.DataFrame, methods: Sequence[str], *, x: str = "step",
                      x_max: float | None = None, step: int | None = None,
                      before: Mapping[str, float] | None = None,
                      dark: bool = False) -> dict[str, Any]:
    """λ_max (thick, with its Ritz residual as bars) and Tr(F) (thin) on a logarithmic axis.

    `before` holds the received model's values, drawn as grey dotted lines.
    """
    shown = points if step is None else points[points["step"] <= step]
    right = x_max if x_max is not None else _last(points, x)
    series = [_line(shown, method, metric, x, 1.0, dark, positive=True)
              for metric in SHARPNESS for method in methods]
    series += [_bars(shown, method, "lambda_max", x) for method in methods]
    series += [_level(before, metric, right, 1.0) for metric in SHARPNESS]
    return _frame(series, x, right, "", dark) | {"yAxis": _y_axis(dark, "{value}", kind="log")}


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


def _line(points: pd.DataFrame, method: str, metric: str, x: str, factor: float,
          dark: bool, positive: bool = False) -> dict[str, Any]:
    line = decimate(_select(points, method, metric))
    data = [[float(at), _finite(value, factor, positive)]
            for at, value in zip(line[x], line["value"], strict=True)]
    drawn = [y for _, y in data if y is not None]
    styled, kind = style(method), METRICS[metric]
    name = f"{styled.label} {kind.label}"
    return _series(name, f"{method}-{metric}", data, styled.color, styled.stroke, kind.width,
                   kind.opacity) | {
        "symbol": "circle" if len(drawn) == 1 else "none",
        "endLabel": _end_label(name, drawn, label_color(styled.color, dark), ink(dark).background,
                               factor == 100.0)}


def _bars(points: pd.DataFrame, method: str, metric: str, x: str) -> dict[str, Any]:
    """From value - error to value + error at each point, as strokes of a line with gaps.

    It has no name, so that legend and tooltip skip it.
    """
    line = _select(points, method, metric)
    errors = _select(points, method, ERRORS[metric]).set_index("step")["value"]
    data: list[list[float | None]] = []
    for step, at, value in zip(line["step"], line[x], line["value"], strict=True):
        error = _finite(errors.get(step), 1.0, True)
        middle = _finite(value, 1.0, True)
        if error is not None and middle is not None:
            low = max(middle - error, middle / 10)  # a logarithmic axis cannot show zero
            data += [[float(at), low], [float(at), middle + error], [float(at), None]]
    bars = _series("", f"{method}-{metric}-error", data, style(method).color, "solid", 1.5, 0.8)
    del bars["name"]
    return bars | {"symbol": "none", "silent": True, "tooltip": {"show": False}}


def _level(before: Mapping[str, float] | None, metric: str, right: float,
           factor: float = 100.0) -> dict[str, Any]:
    """The received model's value as a level line; without data where it was not measured."""
    styled, kind = style("before"), METRICS[metric]
    value = _finite((before or {}).get(metric), factor, False)
    data = [] if value is None else [[0.0, value], [right, value]]
    return _series(f"{styled.label} {kind.label}", f"before-{metric}", data, styled.color,
                   styled.stroke, max(1.5, kind.width / 2), 1.0) | {"symbol": "none"}


def _series(name: str, key: str, data: list, color: str, stroke: Any, width: float,
            opacity: float) -> dict[str, Any]:
    return {"type": "line", "id": key, "name": name, "data": data, "color": color,
            "lineStyle": {"width": width, "opacity": opacity,
                          "type": list(stroke) if isinstance(stroke, tuple) else stroke},
            "connectNulls": False, "emphasis": {"focus": "series"},
            "labelLayout": {"moveOverlap": "shiftY"}}


def _end_label(name: str, drawn: list[float], color: str, back: str,
               percent: bool) -> dict[str, Any]:
    value = f" {drawn[-1]:.0f} %" if drawn and percent else ""
    return {"show": bool(drawn), "formatter": name + value, "color": color, "fontWeight": "bold",
            "fontSize": 13, "lineHeight": 17, "distance": 8, "backgroundColor": back}


def _finite(value: Any, factor: float, positive: bool) -> float | None:
    if value is None or not math.isfinite(value) or (positive and value <= 0):
        return None
    return round(float(value) * factor, 6)


def _frame(series: list[dict[str, Any]], x: str, right: float, unit: str,
           dark: bool) -> dict[str, Any]:
    tone = ink(dark)
    longest = max((len(f"{line['name']} 100 %") for line in series if "endLabel" in line),
                  default=0)
    return {
        "animation": False, "backgroundColor": tone.background,
        "textStyle": {"fontFamily": FONT, "color": tone.text},
        "grid": {"left": 58, "right": 20 + round(7.4 * longest), "top": 64, "bottom": 48},
        "legend": {"type": "scroll", "left": 0, "right": 56, "top": 4, "itemWidth": 34,
                   "itemStyle": {"opacity": 0}, "textStyle": {"color": tone.text, "fontSize": 13},
                   "pageTextStyle": {"color": tone.text}, "pageIconColor": tone.text},
        "tooltip": {"trigger": "axis", "valueFormatter": f"%.1f {unit}%" if unit else "%.3g",
                    "backgroundColor": tone.background, "borderColor": tone.grid,
                    "textStyle": {"color": tone.text}},
        "xAxis": {"type": "value", "name": AXES[x], "nameLocation": "middle", "nameGap": 28,
                  "min": 0, "max": right, "splitLine": {"show": False},
                  "nameTextStyle": {"color": tone.text, "fontSize": 14},
                  "axisLabel": {"color": tone.muted, "fontSize": 13, "hideOverlap": True},
                  "axisLine": {"lineStyle": {"color": tone.muted}}},
        "series": series,
    }


def _y_axis(dark: bool, formatter: str, low: float | None = None, high: float | None = None,
            kind: str = "value") -> dict[str, Any]:
    tone = ink(dark)
    bounds = {} if low is None else {"min": low, "max": high}
    return {"type": kind, **bounds, "axisLabel": {"color": tone.muted, "fontSize": 13,
                                                  "formatter": formatter},
            "splitLine": {"lineStyle": {"color": tone.grid}}}
