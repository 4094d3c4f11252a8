"""Runs: everything computed here, searchable, each run opened by a click."""

import streamlit as st

from app import state
from app.text import sections
from app.widgets.controls.address import choose_some, run_in_address, runs_in_address, same
from app.widgets.controls.notice import guarded
from app.widgets.runs.clean_up import clean_up
from app.widgets.runs.compare_button import compare_button
from app.widgets.runs.run_detail import run_detail
from app.widgets.runs.run_table import matching, run_frame, run_table, table_key

TEXT = sections("runs")
KINDS = ("train", "import", "purify", "landscape", "spectrum", "layers", "audit",
         "corrupt")
STATES = ("queued", "running", "done", "failed", "cancelled", "lost", "corrupt")


def page() -> None:
    """The table of runs and the run in ?run=."""
    st.title(TEXT["title"])
    runs, chosen = state.store().list(), run_in_address()
    if not runs:
        st.info(TEXT["empty"], icon=":material/inbox:")
        st.page_link("app/views/configure.py", label="Train a model", icon=":material/tune:")
        if chosen:  # one of a sweep, which are found and not listed
            run_detail(chosen)
        return
    st.markdown(TEXT["intro"])
    ticked = runs_in_address()
    frame = run_frame(runs)
    search = st.text_input("Search", key="search", type="search", bind="query-params",
                           placeholder="badnets, signs, failed, part of an id")
    with st.container(horizontal=True, key="run_filters"):
        kinds = choose_some("kind", "Kind", same([k for k in KINDS if k in set(frame["kind"])]))
        states = choose_some("state", "State",
                             same([s for s in STATES if s in set(frame["state"])]))
    shown = matching(frame, search or "", kinds, states)
    st.caption(f"{len(shown):,} of {len(frame):,} runs. Click a column heading to sort.")
    if len(shown):
        run_table(shown, key=table_key("runs", list(shown["id"])),
                  chosen=[run.id for run in (*ticked, chosen) if run])
        compare_button(ticked)
    else:
        st.info(TEXT["no_match"], icon=":material/filter_alt_off:")
    clean_up(runs)
    if chosen and not ticked:
        st.divider()
        run_detail(chosen)


guarded(page)()
