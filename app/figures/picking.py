"""Which recorded step a click into a chart of curves means.

ECharts reports clicks on data items and none on the lines between them. So invisible bars, side by
side over the whole plot, lie on top of the curves: a click anywhere hits one, and the recorded step
nearest to its middle is meant.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

BARS = 200


def clickable(options: Mapping[str, Any], active: bool) -> dict[str, Any]:
    """The `options` of a chart of curves with the bars to click on; without any where not `active`.

    The bars stand on a hidden axis of their own, so that they are as high as the plot.
    """
    width = float(options["xAxis"]["max"]) / BARS
    bars = {"type": "bar", "id": "pick", "yAxisIndex": 1, "z": 10, "selectedMode": "single",
            "data": [[round((bar + 0.5) * width, 9), 1] for bar in range(BARS * active)],
            "barCategoryGap": "0%", "itemStyle": {"opacity": 0}, "emphasis": {"disabled": True},
            "blur": {"itemStyle": {"opacity": 0}}, "select": {"itemStyle": {"opacity": 0}},
            "tooltip": {"show": False}}
    hidden = {"type": "value", "show": False, "min": 0, "max": 1}
    return dict(options) | {"yAxis": [options["yAxis"], hidden],
                            "series": [*options["series"], bars]}


def picked_bar(event: Mapping[str, Any] | None) -> int | None:
    """The bar that a chart's selection event names; None where none is selected."""
    for part in (event or {}).get("selection", {}).get("selected", ()):
        if part.get("series_id") == "pick" and part.get("data_indices"):
            return int(part["data_indices"][0])
    return None


def step_at(points: pd.DataFrame, bar: int, *, x: str, x_max: float) -> int:
    """The evaluated step whose place along `x` ("step" or "seconds") is nearest to a bar's middle.

    `points` is the long table of curves, `x_max` the right end of the axis.
    """
    evaluated = points[points["metric"] == "acc"]
    middle = (bar + 0.5) * x_max / BARS
    return int(evaluated.loc[(evaluated[x] - middle).abs().idxmin(), "step"])
