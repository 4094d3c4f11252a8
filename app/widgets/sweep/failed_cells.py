"""The cells of a sweep that failed, with their sentences."""

import pandas as pd
import streamlit as st

from app import state
from app.figures.origin import Origin
from app.text import sections
from app.widgets.runs.run_name import attack_name, dataset_name
from app.widgets.runs.run_table import table_key
from app.widgets.sweep.names import method_name
from app.widgets.sweep.one_cell import pick
from ngf_core.sweep.cell_states import FAILED

TEXT = sections("sweep")
ROWS = 8


def failed_cells(cells: pd.DataFrame, origin: Origin) -> None:
    """A table of the failed ones, and its CSV; a ticked row is shown as one cell. Nothing where
    none failed."""
    failed = cells[cells["state"] == FAILED]
    if failed.empty:
        return
    st.header(f"Failed cells ({len(failed):,})", anchor=False)
    st.caption(TEXT["failed"])
    table = failed_table(failed)
    key = table_key("sweep_failed", list(failed["run"]))
    st.dataframe(table, key=key, hide_index=True, height=35 * (min(len(table), ROWS) + 1) + 3,
                 selection_mode="single-row", on_select=lambda: _ticked(key, failed),
                 alt=f"Table of {len(table)} failed cells with their reasons.", column_config={
                     "attack": st.column_config.TextColumn(width=110),
                     "seed": st.column_config.NumberColumn(width=50),
                     "method": st.column_config.TextColumn(width=110),
                     "why": st.column_config.TextColumn(width="large")})
    st.download_button("Download CSV", lambda: origin.csv(table), "failed-cells.csv", "text/csv",
                       key="sweep_failed_csv", on_click="ignore")


def failed_table(failed: pd.DataFrame) -> pd.DataFrame:
    """Attack, seed, method, sentence and run; data set and network where there are several."""
    several = {name: failed[name].map(title) for name, title in (
        ("dataset", dataset_name), ("network", str)) if failed[name].nunique() > 1}
    return pd.DataFrame(several | {
        "attack": failed["attack"].map(attack_name), "seed": failed["seed"],
        "method": failed["method"].map(method_name), "why": failed["said"], "run": failed["run"]})


def _ticked(key: str, failed: pd.DataFrame) -> None:
    rows = (state.remembered(key) or {}).get("selection", {}).get("rows", [])
    if rows and rows[0] < len(failed):
        row = failed.iloc[rows[0]]
        pick(row["attack"], str(row["seed"]), row["method"], row["dataset"], row["network"])
