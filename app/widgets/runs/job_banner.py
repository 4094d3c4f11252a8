"""The line under the navigation that shows what is running, on every page."""

import streamlit as st

from app import jobs, state
from app.widgets.controls.notice import guarded
from app.widgets.runs.follow import share
from ngf_core.runs import Run

PAGES = {"train": "app/views/configure.py", "import": "app/views/import_model.py",
         "purify": "app/views/race.py",
         "spectrum": "app/views/spectrum.py", "landscape": "app/views/landscape.py",
         "layers": "app/views/layers.py"}


def job_banner() -> None:
    """Draw the banner; the live runs are read every two seconds."""
    alive = jobs.live(state.store())
    st.fragment(guarded(_banner), run_every=2.0 if alive else None)(alive)


def _banner(runs: list[Run]) -> None:
    for run in filter(lambda run: run.live, [run.now() for run in runs]):
        progress = run.progress()
        kind = run.config.kind.capitalize()
        with st.container(horizontal=True, vertical_alignment="center", key=f"job_{run.id}"):
            if run.state == "queued" or not progress:
                st.caption(f":material/hourglass_top: {kind} {run.state}. {run.message or ''}",
                           width="content")
            else:
                st.caption(f":material/autorenew: {kind} {run.state}, {share(progress):.0%}",
                           width="content")
            st.page_link(PAGES[run.config.kind], label="Open", query_params={"run": run.id})
