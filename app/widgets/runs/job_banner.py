"""The line under the navigation that shows what is running, on every page."""

import streamlit as st

from app import jobs, state
from app.text.outside import unlinked
from app.widgets.controls.notice import guarded
from app.widgets.runs.follow import share
from app.widgets.runs.watch import asked
from ngf_core.runs import Run
from ngf_core.runs.access import askers
from ngf_core.runs.server_settings import READONLY, server_settings

PAGES = {"train": "app/views/configure.py", "import": "app/views/import_model.py",
         "purify": "app/views/race.py",
         "spectrum": "app/views/spectrum.py", "landscape": "app/views/landscape.py",
         "layers": "app/views/layers.py", "audit": "app/views/audit.py"}

SHOWN = 3  # lines; a sweep may have a hundred runs at work


def job_banner() -> bool:
    """Draw the banner; the live runs are read every two seconds, and the page is drawn again when
    one that this browser asked for ends. It says where a server only shows.

    Whether there are live runs, so that the page has to be asked.
    """
    if server_settings().readonly:
        st.caption(f":material/visibility: {READONLY}")
    alive = jobs.live(state.store())
    st.fragment(guarded(_banner), run_every=2.0 if alive else None)(alive)
    return bool(alive)


def _banner(runs: list[Run]) -> None:
    if runs:
        asked()
    alive = [run for run in (run.now() for run in runs) if run.live]
    if any(_own(run) for run in set(runs) - set(alive)):
        st.rerun()
    own = [run for run in alive if _own(run)]
    if len(own) < len(alive):
        count = len(alive) - len(own)
        st.caption(f":material/group: {count} job{'s' * (count > 1)} of other browsers "
                   f"{'run or wait' if count > 1 else 'runs or waits'}.")
    for run in own[:SHOWN]:
        progress = run.progress()
        kind = run.config.kind.capitalize()
        with st.container(horizontal=True, vertical_alignment="center", key=f"job_{run.id}"):
            if run.state == "queued" or not progress:
                st.caption(f":material/hourglass_top: {kind} {run.state}. {unlinked(run.message)}",
                           width="content")
            else:
                st.caption(f":material/autorenew: {kind} {run.state}, "
                           f"{100 * share(progress):.0f} %", width="content")
            st.page_link(PAGES[run.config.kind], label="Open", query_params={"run": run.id})
    if len(own) > SHOWN:
        with st.container(horizontal=True, vertical_alignment="center", key="job_others"):
            st.caption(f":material/autorenew: {len(own) - SHOWN} more run or wait.",
                       width="content")
            st.page_link("app/views/runs.py", label="All runs")


def _own(run: Run) -> bool:
    """Whether this browser asked for a run; those of the command line are everybody's to see."""
    asks = askers(run.manifest)
    return not asks or state.browser() in asks
