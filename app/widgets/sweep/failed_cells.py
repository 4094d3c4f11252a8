"""The cells of a sweep that failed, with their sentences."""

import pandas as pd
import streamlit as st

from app import state
from app.figures.origin import Origin
from app.text import sections
from app.widgets.runs.run_name import attack_name, dataset_name
from app.widgets.runs.run_table import table_key
from app.widgets.sweep.names import cell_name, method_name
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
    several = [name for name in ("dataset", "network") if cells[name].nunique() > 1]
    shown = pd.DataFrame({name: failed[name] for name in several} | {
        "cell": [cell_name(row) for row in failed.itertuples()], "why": failed["said"],
        "run": failed["run"]})
    key = table_key("sweep_failed", list(failed["run"]))
    st.dataframe(shown, key=key, hide_index=True, height=35 * (min(len(shown), ROWS) + 1) + 3,
                 selection_mode="single-row", on_select=lambda: _ticked(key, failed),
                 alt=f"Table of {len(shown)} failed cells with their reasons.", column_config={
                     "dataset": "data set",
                     "cell": st.column_config.TextColumn(width=170),
                     "why": st.column_config.TextColumn(width=480)})
    st.download_button("Download CSV", lambda: origin.csv(failed_table(failed)),
                       "failed-cells.csv", "text/csv", key="sweep_failed_csv", on_click="ignore")


def failed_table(failed: pd.DataFrame) -> pd.DataFrame:
    """Data set, network, attack, seed, method, sentence and run of each."""
    return pd.DataFrame({
        "data set": failed["dataset"].map(dataset_name), "network": failed["network"],
        "attack": failed["attack"].map(attack_name), "seed": failed["seed"],
        "method": failed["method"].map(method_name), "why": failed["said"], "run": failed["run"]})


def _ticked(key: str, failed: pd.DataFrame) -> None:
    rows = (state.remembered(key) or {}).get("selection", {}).get("rows", [])
    if rows and rows[0] < len(failed):
        row = failed.iloc[rows[0]]
        pick(row["attack"], str(row["seed"]), row["method"], row["dataset"], row["network"])
