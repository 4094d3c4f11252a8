"""Every figure of the dashboard: drawing, caption, alt text, its table and its downloads."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.figures.origin import Origin
from app.widgets.controls.save_picture import save_picture

# Plotly's camera would save the picture without what it was drawn from; without the buttons that
# wheel and double click do better, the toolbar is short enough to stand beside a title.
TOOLBAR = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": [
    "toImage", "zoomIn2d", "zoomOut2d", "autoScale2d"]}
SelectionMode = Literal["points", "box", "lasso"]


def figure_card(figure: go.Figure | Sequence[go.Figure] | Mapping[str, Any], *, key: str,
                caption: str, alt: str, table: pd.DataFrame, filename: str, origin: Origin,
                live: bool = False, height: int = 420, on_select: Callable[[], None] | None = None,
                selection: Sequence[SelectionMode] = ("points",), columns: int = 0,
                lazy: bool = False) -> None:
    """Draw a figure with its one-sentence caption, alt text, table, command and downloads.

    What it was drawn from, `origin`, is in each file. Several Plotly figures are placed side by
    side, `columns` in a row (0: all), on a narrow screen one below the other. `live`: the
    data change while the figure is shown; only ECharts keeps its place on the page then, so a
    Plotly figure is rejected. `height` in pixels is for ECharts; a Plotly figure has its own, or
    where it has none that of app/theme.css.
    `on_select` is called when marks of a figure are selected in one of the ways `selection`; of
    several figures, of the first. What is selected is then in the session under `key`, or
    `<key>_1`. `lazy`: table, command and downloads are drawn when their box is opened, since the
    browser loads two megabytes of code for them.
    """
    if isinstance(figure, Mapping):
        st.echarts_chart(dict(figure), key=key, theme=None, alt=alt, height=height,
                         on_select=on_select or "ignore")
    elif live:
        raise TypeError("A live figure must be ECharts options: Plotly charts remount.")
    elif isinstance(figure, go.Figure):
        st.plotly_chart(figure, key=key, theme=None, alt=alt, config=TOOLBAR,
                        height="stretch" if figure.layout.height is None else "content",
                        on_select=on_select or "ignore", selection_mode=selection)
    else:
        _side_by_side(figure, key, alt, columns or max(len(figure), 1), on_select, selection)
    st.caption(caption)
    box = st.expander(f"Table ({len(table):,} rows), command and files", key=f"{key}_table_box",
                      on_change="rerun" if lazy else "ignore")
    if lazy and not box.open:
        return
    with box:
        st.dataframe(table, key=f"{key}_table", hide_index=True)
        st.code(origin.command, language="bash", wrap_lines=True)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.download_button("Download CSV", lambda: origin.csv(table), f"{filename}.csv",
                               "text/csv", key=f"{key}_csv", on_click="ignore")
            save_picture(key, origin, filename=filename)


def _side_by_side(panels: Sequence[go.Figure], key: str, alt: str, columns: int,
                  on_select: Callable[[], None] | None, selection: Sequence[SelectionMode]
                  ) -> None:
    with st.grid(columns=columns, min_column_width=300, key=f"{key}_panels"):
        for place, panel in enumerate(panels, start=1):
            st.plotly_chart(panel, key=f"{key}_{place}", theme=None,
                            alt=f"{alt} Panel {place} of {len(panels)}.",
                            config=TOOLBAR, selection_mode=selection,
                            on_select=on_select if on_select and place == 1 else "ignore")
