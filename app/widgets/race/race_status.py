"""Where a race stands: its state in a sentence, and what one may do about it."""

import streamlit as st

from app import jobs, state
from app.widgets.controls.cost_line import duration
from ngf_core.runs import Run

ENDED = {"failed": (st.error, "This race failed"),
         "cancelled": (st.info, "This race was cancelled"),
         "lost": (st.warning, "This race was lost")}


def state_banner(run: Run) -> None:
    """The banner of a queued, failed, cancelled or lost race; nothing for the others."""
    where, message = run.status()
    if where == "queued":
        st.info(message or "Waiting for the worker to start.", title="Queued",
                icon=":material/hourglass_top:")
    elif where in ENDED:
        show, title = ENDED[where]
        show(message or "The run gave no reason; its folder has the log.", title=title)
        if st.button("Start it again", key="again", icon=":material/restart_alt:",
                     help="A new run with the same settings; this one is kept."):
            state.open_run(jobs.restart(run))
            st.rerun()


def live_controls(run: Run) -> None:
    """Progress with pause, resume and cancel; says so while a request is on its way."""
    stopping = (run.path / "cancel").exists()
    progress = run.progress()
    if progress:
        share = min(1.0, progress["done"] / max(1, progress["total"]))
        st.progress(share, text=_progress_text(progress, stopping, run.paused))
    with st.container(horizontal=True):
        if run.paused:
            st.button("Resume", key="resume", icon=":material/play_arrow:", on_click=jobs.resume,
                      args=(run,), disabled=stopping)
        else:
            st.button("Pause", key="pause", icon=":material/pause:", on_click=jobs.pause,
                      args=(run,), disabled=stopping or run.state == "queued")
        st.button("Cancel", key="cancel", icon=":material/stop:", on_click=jobs.cancel,
                  args=(run,), disabled=stopping)


def _progress_text(progress: dict, stopping: bool, paused: bool) -> str:
    if stopping:
        return f"Stopping after {progress['text']}"
    if paused:
        return f"Paused after {progress['text']}"
    eta = progress.get("eta")
    return progress["text"] + (f", about {duration(eta)} left" if eta else "")
