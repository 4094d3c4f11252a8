"""Is the backdoor gone, and is the model flatter: all measured models and their means."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from app.figures.spectrum import with_error
from app.theme import FONT, ink, style
from ngf_core.evidence.rank import Estimate

Means = Mapping[str, tuple[Estimate, Estimate]]
ROW, TOP, BOTTOM, LEFT = 26, 64, 32, 140
NARROW, SLIM = 480, 112  # pixels of a narrow figure, and of the names of its rows
APART = 7  # pixels between the marks of two methods in one row
# ECharts' names of the marks that `app.theme` names as Plotly does.
SYMBOLS = {"circle": "circle", "square": "rect", "diamond": "diamond"}


def verdict_options(table: pd.DataFrame, means: Means, titles: Mapping[str, str], *, dark: bool
                    ) -> dict[str, Any]:
    """A row per method with its means, then a row per attack: ASR left, and λ_max after / before.

    `table` is that of `app.read.all_models`; `means` holds each method's estimate of the mean ASR
    (of 1) and of the mean logarithm of the ratio, drawn with their intervals. The marks of a method
    lie in the series "<method> asr" and "<method> ratio" as their `marks` have them.
    """
    tone = ink(dark)
    attacks = _attacks(table)
    weak = set(table[table["weak"].astype(bool)]["attack"])
    rows = [*(f"Mean, {style(name).label}" for name in means),
            *(titles.get(name, name) + " (weak)" * (name in weak) for name in attacks)]
    text = {"color": tone.text, "fontSize": 14}
    split = {"lineStyle": {"color": tone.grid}}
    names = {"type": "category", "data": rows, "inverse": True, "axisTick": {"show": False},
             "axisLine": {"lineStyle": {"color": tone.muted}}}
    low, high = _reach(table["ratio"])
    return {
        "animation": False, "textStyle": {"fontFamily": FONT, "color": tone.text},
        "grid": [{"left": LEFT, "right": "46%", "top": TOP, "bottom": BOTTOM},
                 {"left": "58%", "right": 24, "top": TOP, "bottom": BOTTOM}],
        "media": [{"query": {"maxWidth": NARROW}, "option": _narrow()}],
        "legend": {"top": 0, "left": 0, "itemWidth": 14, "textStyle": text,
                   "data": [style(name).label for name in means]},
        "tooltip": {"trigger": "item", "formatter": "{a}, {@[2]}"},
        "title": [{"text": words, "left": left, "top": 32,
                   "textStyle": {"color": tone.text, "fontSize": 15, "fontWeight": 600}}
                  for words, left in (("ASR left", LEFT), ("λ_max, after / before", "58%"))],
        "xAxis": [{"type": "value", "min": 0, "max": 100, "gridIndex": 0, "splitLine": split,
                   "interval": 50, "axisLabel": text | {"formatter": "{value} %"}},
                  {"type": "log", "logBase": 2, "min": low, "max": high, "gridIndex": 1,
                   "splitLine": split,
                   "axisLabel": text | {"formatter": "×{value}", "hideOverlap": True}}],
        "yAxis": [names | {"gridIndex": 0, "axisLabel": text},
                  names | {"gridIndex": 1, "axisLabel": {"show": False}}],
        "series": [part for turn, method in enumerate(means) for panel in (0, 1)
                   for part in _series(table, means, titles, turn, method, panel)]}


def _narrow() -> dict[str, Any]:
    """What differs on a phone: smaller names, and more of the width for the two panels."""
    small = {"axisLabel": {"fontSize": 12}}
    return {"grid": [{"left": SLIM, "right": "40%"}, {"left": "66%", "right": 16}],
            "title": [{"left": SLIM, "textStyle": {"fontSize": 13}},
                      {"left": "66%", "text": "λ_max, ratio", "textStyle": {"fontSize": 13}}],
            "xAxis": [small, small], "yAxis": [small, {}]}


def marks(table: pd.DataFrame, method: str, measure: str) -> pd.DataFrame:
    """The rows of `table` behind the series "<method> <measure>", in its order."""
    mine = table[table["method"] == method]
    return mine[mine[measure].notna()].reset_index(drop=True)


def verdict_table(table: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """The numbers behind the figure, a row per model and method."""
    return table.assign(attack=[titles.get(name, name) for name in table["attack"]],
                        method=[style(name).label for name in table["method"]])


def height(table: pd.DataFrame, methods: int) -> int:
    """The pixels that the figure needs."""
    return TOP + BOTTOM + ROW * (len(_attacks(table)) + methods)


def asr_text(found: Estimate) -> str:
    """"17.3 % [3.1, 31.6]"."""
    middle, low, high = (100 * value for value in (found.mean, found.low, found.high))
    return f"{middle:.1f} %" + (f" [{low:.1f}, {high:.1f}]" if math.isfinite(low) else "")


def ratio_text(found: Estimate) -> str:
    """"2.34 [1.68, 3.27]", from the mean of the logarithms."""
    middle, low, high = (math.exp(value) for value in (found.mean, found.low, found.high))
    return f"{middle:.2f}" + (f" [{low:.2f}, {high:.2f}]" if math.isfinite(low) else "")


def _series(table: pd.DataFrame, means: Means, titles: Mapping[str, str], turn: int, method: str,
            panel: int) -> list[dict[str, Any]]:
    """One method's marks in one panel, its mean and the interval of that."""
    measure, look, attacks = ("asr", "ratio")[panel], style(method), _attacks(table)
    color, symbol = look.color, SYMBOLS.get(look.symbol, "circle")
    place = {"name": look.label, "xAxisIndex": panel, "yAxisIndex": panel}
    data = [{"value": [100 * row["asr"] if panel == 0 else row["ratio"],
                       len(means) + attacks.index(row["attack"]),
                       f"{titles.get(row['attack'], row['attack'])}: {_words(row, panel)}"],
             "itemStyle": {"color": "transparent" if row["collapsed"] else color,
                           "borderColor": color, "borderWidth": 2}}
            for row in marks(table, method, measure).to_dict("records")]
    shift = APART * (turn - (len(means) - 1) / 2)
    found = [place | {"id": f"{method} {measure}", "type": "scatter", "data": data,
                      "symbol": symbol, "symbolSize": 10, "symbolOffset": [0, shift],
                      "selectedMode": "single", "itemStyle": {"color": color}}]
    estimated = means[method][panel]
    if not estimated.n:
        return found
    middle, low, high = (100 * end if panel == 0 else math.exp(end)
                         for end in (estimated.mean, estimated.low, estimated.high))
    words = asr_text(estimated) if panel == 0 else f"×{ratio_text(estimated)}"
    if math.isfinite(low):
        found.append(place | {"type": "line", "data": [[low, turn], [high, turn]], "silent": True,
                              "symbol": "none", "lineStyle": {"color": color, "width": 4}})
    found.append(place | {"type": "scatter", "data": [[middle, turn, f"mean: {words}"]],
                          "symbol": symbol, "symbolSize": 16, "itemStyle": {"color": color}})
    return found


def _words(row: Mapping[str, Any], panel: int) -> str:
    if panel == 0:
        return f"{100 * row['asr']:.1f} % of {row['images']:,} images"
    gone = " (this model no longer answers)" if row["collapsed"] else ""
    before, after = (with_error(row[name], row[f"{name}_error"])
                     for name in ("lambda_max_before", "lambda_max"))
    return f"×{row['ratio']:.2f}, from {before} to {after}{gone}"


def _attacks(table: pd.DataFrame) -> list[str]:
    """Those that most of the backdoor is left of, first, by the first method of the table."""
    return list(table.groupby("attack")["asr"].first().sort_values(ascending=False).index)


def _reach(ratios: pd.Series) -> tuple[float, float]:
    """Powers of two around all ratios, and around 1."""
    known = ratios.dropna()
    low, high = (known.min(), known.max()) if len(known) else (1.0, 1.0)
    return 2.0 ** math.floor(min(math.log2(low), -1)), 2.0 ** math.ceil(max(math.log2(high), 1))
