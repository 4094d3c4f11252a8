"""Figures of the lesson as ECharts options: few marks, large letters, every value written out.

`size` is the size of the letters in pixels; everything else follows from it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from app.theme import FONT, ink, label_color, style

Scale = Literal["value", "log"]
LETTER = 0.55  # width of a letter by its size
GAP = {"symbol": "none", "silent": True, "tooltip": {"show": False}}


@dataclass(frozen=True)
class Dot:
    """A mark in a row: where, with which text at the row's end, and its interval (NaN: none).

    method: whose colour and symbol it has, by its word in `app.theme`. hollow: another quantity
    than the filled marks.
    """

    row: str
    value: float
    text: str = ""
    low: float = math.nan
    high: float = math.nan
    method: str = "ngf"
    hollow: bool = False


def dots_options(dots: Sequence[Dot], axis: str, *, scale: Scale = "value",
                 ends: tuple[float, float] | None = None, unit: str = "",
                 level: float | None = None, size: int = 15, dark: bool = False) -> dict[str, Any]:
    """Rows of marks with their intervals against one axis named `axis`, in the rows' order.

    `level` is drawn as a grey dotted line; `unit` stands behind the axis's numbers.
    """
    tone, rows = ink(dark), list(dict.fromkeys(dot.row for dot in dots))
    text = {"color": tone.text, "fontSize": size, "fontFamily": FONT}
    low, high = ends or (None, None)
    series = [_marks(dots, name, hollow, rows, size, dark)
              for name in dict.fromkeys(dot.method for dot in dots) for hollow in (False, True)]
    series += [_bars(dots, name, rows, size) for name in dict.fromkeys(d.method for d in dots)]
    if level is not None:
        series.append(GAP | {"id": "level", "type": "line", "data": [[level, -0.5],
                                                                    [level, len(rows) - 0.5]],
                             "yAxisIndex": 1, "lineStyle": {"color": tone.muted, "width": size / 8,
                                                            "type": "dotted"}})
    names = {"type": "category", "data": rows, "inverse": True, "axisTick": {"show": False},
             "axisLabel": text | {"margin": size},
             "axisLine": {"onZero": False, "lineStyle": {"color": tone.muted}}}
    values = names | {"data": [_said(dots, row) for row in rows], "position": "right",
                      "axisLine": {"show": False},
                      "axisLabel": text | {"fontWeight": 600, "margin": size}}
    return {
        "animation": False, "textStyle": {"fontFamily": FONT, "color": tone.text},
        "grid": {"left": round(size / 2), "right": round(size / 2), "top": round(0.5 * size),
                 "bottom": round(2.2 * size), "containLabel": True},
        "tooltip": {"trigger": "item", "textStyle": {"fontSize": size}, "formatter": "{b} {@[2]}"},
        "xAxis": {"type": scale, "min": low, "max": high, "name": axis, "nameLocation": "middle",
                  "nameGap": round(1.9 * size), "nameTextStyle": text, "logBase": 2,
                  "splitLine": {"lineStyle": {"color": tone.grid}},
                  "axisLine": {"onZero": False, "lineStyle": {"color": tone.muted}},
                  "axisLabel": text | {"formatter": f"{{value}}{unit}", "hideOverlap": True,
                                       "showMinLabel": True, "showMaxLabel": True}},
        "yAxis": [names, {"type": "value", "min": -0.5, "max": len(rows) - 0.5, "inverse": True,
                          "show": False}, values],
        "series": series}


def _marks(dots: Sequence[Dot], method: str, hollow: bool, rows: Sequence[str], size: int,
           dark: bool) -> dict[str, Any]:
    look, tone = style(method), ink(dark)
    data = [{"name": dot.row, "value": [dot.value, rows.index(dot.row), dot.text]}
            for dot in dots if (dot.method, dot.hollow) == (method, hollow)]
    return {"id": f"{method} {hollow}", "name": look.label, "type": "scatter", "data": data,
            "symbol": {"square": "rect", "triangle-up": "triangle"}.get(look.symbol, look.symbol)
            if look.symbol in ("circle", "square", "diamond", "triangle-up") else "circle",
            "symbolSize": round(0.8 * size), "yAxisIndex": 1,
            "itemStyle": {"color": tone.background if hollow else look.color,
                          "borderColor": look.color, "borderWidth": size / 7, "opacity": 1}}


def _said(dots: Sequence[Dot], row: str) -> str:
    """The texts of a row's marks."""
    return " / ".join(dot.text for dot in dots if dot.row == row and dot.text)


def _bars(dots: Sequence[Dot], method: str, rows: Sequence[str], size: int) -> dict[str, Any]:
    """The intervals of a method's marks: strokes of one line with gaps."""
    data: list[list[float | None]] = []
    for dot in dots:
        if dot.method == method and math.isfinite(dot.low):
            at = rows.index(dot.row)
            data += [[dot.low, at], [dot.high, at], [None, None]]
    return GAP | {"id": f"{method} bars", "type": "line", "data": data, "yAxisIndex": 1,
                  "connectNulls": False, "z": 1,
                  "lineStyle": {"color": style(method).color, "width": size / 5, "opacity": 0.55}}


def dots_alt(dots: Sequence[Dot], axis: str) -> str:
    """The figure in words."""
    parts = [f"{dot.row} {dot.text}" for dot in dots if dot.text]
    return f"{axis}: {'; '.join(parts)}."


def dots_height(dots: Sequence[Dot], size: int) -> int:
    """The pixels that the figure needs."""
    return round(len({dot.row for dot in dots}) * 1.5 * size + 3.4 * size)


def asr_options(points: pd.DataFrame, methods: Sequence[str], step: int, *, last: int,
                size: int = 15, dark: bool = False) -> dict[str, Any]:
    """ASR in percent against the step up to `last`, bold up to `step` and pale behind it, a line
    per method; one label where all of them say the same.

    `points` is a race's long table: method, step, metric, value (of 1); `last` the step at which
    the axis ends, whatever part of the race the table holds.
    """
    tone = ink(dark)
    text = {"color": tone.text, "fontSize": size, "fontFamily": FONT}
    lines = {name: points[(points["method"] == name) & (points["metric"] == "asr")]
             .dropna(subset="value").sort_values("step") for name in methods}
    said = {name: [f"{100 * value:.0f} %" for value in line.loc[line["step"] <= step, "value"]][-1:]
            for name, line in lines.items()}
    ends = {text for its in said.values() for text in its}
    together = len(lines) > 1 and len(ends) == 1
    series = []
    for number, (name, line) in enumerate(lines.items()):
        look = style(name)
        stroke = list(look.stroke) if isinstance(look.stroke, tuple) else look.stroke
        whole = [[int(at), 100 * float(value)]
                 for at, value in zip(line["step"], line["value"], strict=True)]
        past = [point for point in whole if point[0] <= step]
        shared = {"type": "line", "name": look.label, "symbol": "none", "color": look.color}
        series += [
            shared | {"id": f"{name}-later", "data": whole, "silent": True,
                      "lineStyle": {"width": size / 5, "opacity": 0.25, "type": stroke}},
            shared | {"id": name, "data": past, "symbol": "circle" if len(past) == 1 else "none",
                      "symbolSize": size / 2, "lineStyle": {"width": size / 3.5, "type": stroke},
                      "labelLayout": {"moveOverlap": "shiftY"},
                      "endLabel": {"show": bool(past) and not (together and number),
                                   "fontSize": size, "fontWeight": 600,
                                   "lineHeight": round(1.3 * size),
                                   "color": tone.text if together
                                   else label_color(look.color, dark),
                                   "backgroundColor": tone.background,
                                   "formatter": " ".join(
                                       ["All" if together else look.label, *said[name]])}}]
    longest = max((len(style(name).label) for name in methods), default=0) + len(" 100 %")
    axis = {"axisLabel": text, "nameTextStyle": text, "nameLocation": "middle"}
    return {
        "animation": False, "textStyle": {"fontFamily": FONT, "color": tone.text},
        "grid": {"left": round(1.5 * size),
                 "right": round(1.1 * LETTER * size * longest) + size,
                 "top": size, "bottom": round(2.2 * size), "containLabel": True},
        "xAxis": axis | {"type": "value", "min": 0, "max": last, "name": "Step",
                         "axisLabel": text | {"alignMaxLabel": "right", "showMaxLabel": True,
                                              "hideOverlap": True},
                         "nameGap": round(1.9 * size), "splitLine": {"show": False}},
        "yAxis": axis | {"type": "value", "min": 0, "max": 100, "interval": 50, "name": "ASR",
                         "nameGap": round(3.2 * size),
                         "axisLabel": text | {"formatter": "{value} %"},
                         "splitLine": {"lineStyle": {"color": tone.grid}}},
        "series": series}


def valleys_options(*, size: int = 15, dark: bool = False) -> dict[str, Any]:
    """Two valleys of a loss, one sharp and one flat: a drawing, with no data behind it."""
    tone = ink(dark)
    across = [step / 20 - 2 for step in range(81)]
    # Greys: the colours of the methods would say which of them leads where.
    bends: Mapping[str, tuple[float, str]] = {"sharp": (6.0, tone.text), "flat": (0.5, tone.muted)}
    series = [{"type": "line", "id": name, "symbol": "none", "color": color,
               "lineStyle": {"width": size / 4},
               "data": [[x, bend * x * x / 2] for x in across if bend * x * x / 2 <= 1.6],
               "endLabel": {"show": True, "formatter": name, "fontSize": size, "fontWeight": 600,
                            "color": label_color(color, dark)}}
              for name, (bend, color) in bends.items()]
    text = {"color": tone.text, "fontSize": size, "fontFamily": FONT}
    axis = {"type": "value", "axisLabel": {"show": False}, "splitLine": {"show": False},
            "axisTick": {"show": False}, "axisLine": {"onZero": False},
            "nameLocation": "middle", "nameTextStyle": text, "nameGap": round(0.7 * size)}
    return {"animation": False, "textStyle": {"fontFamily": FONT, "color": tone.text},
            "grid": {"left": 2 * size, "right": 4 * size, "top": size, "bottom": 2 * size},
            "xAxis": axis | {"min": -2, "max": 2, "name": "one of the weights"},
            "yAxis": axis | {"min": 0, "max": 1.7, "name": "loss"}, "series": series}
