"""Every figure of the dashboard: drawing, caption, alt text, its table and its downloads."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

SelectionMode = Literal["points", "box", "lasso"]


def figure_card(figure: go.Figure | Sequence[go.Figure] | Mapping[str, Any], *, key: str,
                caption: str, alt: str, table: pd.DataFrame, filename: str, live: bool = False,
                height: int = 420, on_select: Callable[[], None] | None = None,
                selection: Sequence[SelectionMode] = ("points",), columns: int = 0) -> None:
    """Draw a figure with its one-sentence caption, alt text, table, CSV and image download.

    A Plotly figure saves its picture with the camera button of its own toolbar, an ECharts
    options dict with the toolbox button that `save_toolbox` adds. Several Plotly figures are placed
    side by side, `columns` in a row (0: all), on a narrow screen one below the other. `live`: the
    data change while the figure is shown; only ECharts keeps its place on the page then, so a
    Plotly figure is rejected. `height` in pixels is for ECharts; a Plotly figure has its own.
    `on_select` is called when marks of a figure are selected in one of the ways `selection`; of
    several figures, of the first. What is selected is then in the session under `key`, or
    `<key>_1`.
    """
    if isinstance(figure, Mapping):
        options = {**figure, "toolbox": save_toolbox(filename)}
        st.echarts_chart(options, key=key, theme=None, alt=alt, height=height,
                         on_select=on_select or "ignore")
    elif live:
        raise TypeError("A live figure must be ECharts options: Plotly charts remount.")
    elif isinstance(figure, go.Figure):
        st.plotly_chart(figure, key=key, theme=None, alt=alt, config=plotly_config(filename),
                        on_select=on_select or "ignore", selection_mode=selection)
    else:
        _side_by_side(figure, key, alt, filename, columns or max(len(figure), 1), on_select,
                      selection)
    st.caption(caption)
    with st.expander(f"Table ({len(table):,} rows)", key=f"{key}_table_box"):
        st.dataframe(table, key=f"{key}_table", hide_index=True)
        st.download_button("Download CSV", lambda: table.to_csv(index=False).encode(),
                           file_name=f"{filename}.csv", mime="text/csv", key=f"{key}_csv",
                           on_click="ignore")


def _side_by_side(panels: Sequence[go.Figure], key: str, alt: str, filename: str, columns: int,
                  on_select: Callable[[], None] | None, selection: Sequence[SelectionMode]
                  ) -> None:
    with st.grid(columns=columns, min_column_width=300, key=f"{key}_panels"):
        for place, panel in enumerate(panels, start=1):
            st.plotly_chart(panel, key=f"{key}_{place}", theme=None,
                            alt=f"{alt} Panel {place} of {len(panels)}.",
                            config=plotly_config(f"{filename}-{place}"),
                            on_select=on_select if on_select and place == 1 else "ignore",
                            selection_mode=selection)


def plotly_config(filename: str) -> dict[str, Any]:
    """Plotly's toolbar: its camera saves a PNG at twice the size under the figure's name."""
    return {"displaylogo": False, "responsive": True,
            "toImageButtonOptions": {"format": "png", "scale": 2, "filename": filename}}


def save_toolbox(filename: str) -> dict[str, Any]:
    """The ECharts toolbox with its one button, which saves the picture."""
    return {"right": 4, "top": 0, "feature": {"saveAsImage": {
        "name": filename, "title": "Save image", "pixelRatio": 2}}}
