"""Make room: the sizes of the runs that this browser may change; keep, delete or export some."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app import jobs, state
from app.text import sections
from app.widgets.controls.cost_line import megabytes
from app.widgets.controls.notice import guarded
from app.widgets.runs.delete_runs import confirm_delete
from app.widgets.runs.run_name import run_name
from app.widgets.runs.run_table import table_key
from ngf_core.runs import Run
from ngf_core.runs.access import why_not
from ngf_core.runs.archive import zipped
from ngf_core.runs.server_settings import READONLY, server_settings


def clean_up(runs: Sequence[Run]) -> None:
    """A folded part of the page; the runs' folders are measured only while it is open."""
    readonly = server_settings().readonly
    box = st.expander("Clean up", icon=":material/cleaning_services:", key="clean_up",
                      on_change="rerun")
    if not box.open:
        return
    with box:
        browser = state.browser()
        own = [run for run in runs if not why_not(run, browser)]
        if own:
            _choose({run.id: run for run in own}, browser)
        else:
            st.info(READONLY if readonly else sections("runs")["nothing own"],
                    icon=":material/inbox:")


def _choose(own: dict[str, Run], browser: str) -> None:
    sizes = {run_id: run.size() / 1e6 for run_id, run in own.items()}
    st.markdown(sections("runs")["clean up"].format(
        count=f"{len(own):,}", size=megabytes(sum(sizes.values()))))
    event = st.dataframe(
        pd.DataFrame({"run": [_name(run) for run in own.values()], "MB": list(sizes.values()),
                      "kept": [run.kept for run in own.values()], "id": list(own)}),
        hide_index=True, key=table_key("own", list(own)), on_select="rerun",
        selection_mode="multi-row", alt=f"Table of {len(own)} runs to choose from.", column_config={
            "run": st.column_config.TextColumn(width=190),
            "MB": st.column_config.NumberColumn(format="%.2f", width=60),
            "kept": st.column_config.CheckboxColumn(width=50)})
    chosen = [run for row, run in enumerate(own.values()) if row in event["selection"]["rows"]]
    live, kept = [r for r in chosen if r.live], [r for r in chosen if r.kept]
    with st.container(horizontal=True, key="clean_up_actions"):
        if st.button("Delete", key="delete_chosen", icon=":material/delete:",
                     disabled=not chosen or bool(live or kept)):
            confirm_delete(chosen)
        st.button("Keep", key="keep_chosen", icon=":material/lock:", on_click=guarded(_keep),
                  args=(chosen, browser, True), disabled=len(kept) == len(chosen),
                  help="A kept run cannot be deleted.")
        st.button("Let go", key="let_go_chosen", icon=":material/lock_open:",
                  on_click=guarded(_keep), args=(chosen, browser, False), disabled=not kept)
        st.download_button("Take along as a zip", lambda: zipped(chosen), "runs.zip",
                           "application/zip", key="download_zip", icon=":material/folder_zip:",
                           disabled=not chosen or bool(live), on_click="ignore")
    # Below the buttons, which would otherwise move; and for all to read, not in a tooltip, which
    # a phone does not show.
    told = f"{len(chosen):,} chosen, {megabytes(sum(sizes[run.id] for run in chosen))}."
    st.caption(f"{told} {sections('runs')['before deleting'] if live or kept else ''}")


def _keep(runs: Sequence[Run], browser: str, kept: bool) -> None:
    for run in runs:
        jobs.keep(run, browser, kept)


def _name(run: Run) -> str:
    return run.id if run.state == "corrupt" else run_name(run, state.store())
