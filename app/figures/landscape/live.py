"""A surface while it is computed."""

from typing import Any

import numpy as np
from plotly.colors import sample_colorscale

from app.figures.landscape.scale import extent, height
from app.theme import SEQUENTIAL, ink

# Plotly's Cividis, for ECharts.
CIVIDIS = sample_colorscale(SEQUENTIAL, 9, colortype="rgb")


def live_plane(xs: np.ndarray, ys: np.ndarray, loss: np.ndarray, *, log: bool, dark: bool,
               computed: np.ndarray | None = None) -> dict[str, Any]:
    """A surface while it is computed, as ECharts options, which keep their place on the page.

    Cells are NaN until they are known. The colours span what is known so far.
    """
    z = height(loss, log)
    low, high = extent([z])
    tone = ink(dark)
    rows, columns = np.nonzero(np.isfinite(z))
    cells = [[int(j), int(i), round(float(z[i, j]), 4)] for i, j in zip(rows, columns, strict=True)]
    names = [[f"{value:.3g}" for value in axis] for axis in (xs, ys)]
    axis = {"type": "category", "axisTick": {"show": False}, "splitArea": {"show": False}}
    labels = [{"axisLabel": {"color": tone.text, "interval": max(len(words) // 6 - 1, 0)},
               "data": words} for words in names]
    series = [{"type": "heatmap", "data": cells, "progressive": 0, "animation": False}]
    if computed is not None and not np.all(computed | ~np.isfinite(z)):
        series.append({"type": "scatter", "symbolSize": 3, "silent": True, "animation": False,
                       "itemStyle": {"color": "#FFFFFF"},
                       "data": [[int(j), int(i)] for i, j in np.argwhere(computed)]})
    return {"animation": False, "grid": {"left": 56, "right": 90, "top": 16, "bottom": 40},
            "xAxis": axis | labels[0], "yAxis": axis | labels[1],
            "visualMap": {"min": low, "max": high, "seriesIndex": 0, "calculable": False,
                          "orient": "vertical", "right": 0, "top": "center", "itemHeight": 220,
                          "inRange": {"color": CIVIDIS}, "textStyle": {"color": tone.text},
                          "text": [_loss(high, log), _loss(low, log)]},
            "series": series}


def _loss(height: float, log: bool) -> str:
    return f"{10**height if log else height:.2g}"
