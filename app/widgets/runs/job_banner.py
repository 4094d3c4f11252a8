"""The line under the navigation that says what is running, wherever you are."""

import streamlit as st

from app import jobs
from app.widgets.controls.notice import guarded

PAGES = {"train": "app/views/configure.py", "purify": "app/views/race.py",
         "spectrum": "app/views/spectrum.py", "landscape": "app/views/landscape.py",
         "layers": "app/views/layers.py"}


def job_banner() -> None:
    """Draw the banner; it looks again every two seconds, but only while a job lives."""
    alive = bool(jobs.live())
    st.fragment(guarded(_banner), run_every=2.0 if alive else None)()


def _banner() -> None:
    for run in jobs.live():
        progress = run.progress()
        kind = run.config.kind.capitalize()
        with st.container(horizontal=True, vertical_alignment="center", key=f"job_{run.id}"):
            if run.state == "queued" or not progress:
                st.caption(f":material/hourglass_top: {kind} {run.state}. {run.message or ''}",
                           width="content")
            else:
                share = progress["done"] / max(1, progress["total"])
                st.caption(f":material/autorenew: {kind} {run.state}, {share:.0%}",
                           width="content")
            st.page_link(PAGES[run.config.kind], label="Open", query_params={"run": run.id})
