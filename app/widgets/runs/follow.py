"""A run while it is live, and its message when it ended without a result, on any page."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from app import jobs, state
from app.text.outside import unlinked
from app.widgets.controls.cost_line import duration
from app.widgets.controls.notice import guarded
from app.widgets.controls.start_button import start_button
from ngf_core.runs import Run
from ngf_core.runs.access import askers, why_no_pause, why_not
from ngf_core.runs.resuming import stopped_short, why_no_resume
from ngf_core.runs.server_settings import server_settings

LOOK_EVERY = 1.0
AGAIN = "Start it again"
KEPT = "What it has finished is not computed again."
REFUSED = ("With the same settings it would be refused again; the form for others is on the page "
           "*Your model*.")
GO_ON = dict.fromkeys(("train", "spectrum", "landscape", "layers"), KEPT) | {
    "purify": "The same steps are taken again, but no model is measured twice.",
    "import": "An import begins again, which takes seconds.",
    "audit": "An audit begins again with its first measurement."}
ENDED = {"failed": (st.error, "failed"), "cancelled": (st.info, "was cancelled"),
         "lost": (st.warning, "was lost"), "corrupt": (st.error, "cannot be read")}


def follow(run: Run, *, address: str = "run", draw: Callable[[Run], None] | None = None,
           again: str = AGAIN) -> bool:
    """True when the run is done; until then draw its progress, and `draw(run)` below it.

    A live run is read every second and can be paused and cancelled; the page is redrawn once when
    it ends. One that ended without a result shows why, see `ended_card`.
    """
    if run.live:
        st.fragment(guarded(_live), run_every=LOOK_EVERY)(run, draw)
        return False
    if run.state == "done":
        return True
    ended_card(run, address=address, again=again)
    if draw:
        guarded(draw)(run)
    return False


def _live(run: Run, draw: Callable[[Run], None] | None) -> None:
    run = run.now()
    if not run.live:
        st.rerun()
    live_controls(run)
    if draw:
        draw(run)


def ended_card(run: Run, *, address: str = "run", again: str = AGAIN) -> None:
    """Why a run failed, was cancelled or lost, and a button that starts it again.

    The button, labelled `again`, points the address parameter `address` at the new run. One that
    stopped short has a button to go on, too, which is off with the reason where it cannot. A
    refused import has no button, since the same settings would be refused again.
    """
    show, how = ENDED[run.state]
    kind = "race" if run.kind == "purify" else f"{run.kind} run"
    show(unlinked(run.message) or "The run recorded no reason; its folder has the log.",
         title=f"This {kind} {how}")
    if run.kind == "import" and run.state == "failed" and not stopped_short(run):
        st.caption(REFUSED)
        return
    browser = state.browser()
    with st.container(horizontal=True):
        going_on = stopped_short(run) and _go_on_button(run, browser)
        starting = start_button(again, f"again_{run.id}", icon=":material/replay:",
                                help="A new run with the same settings; this one is kept.")
    if stopped_short(run) and not why_no_resume(run):
        st.caption(f"Go on takes up this run under its own name. {GO_ON[run.config.kind]}")
    if going_on:
        jobs.go_on(run, browser)
        st.rerun()
    if starting:
        state.open_run(jobs.restart(run, browser), address)
        st.rerun()


def _go_on_button(run: Run, browser: str) -> bool:
    reason = why_not(run, browser) or why_no_resume(run)
    return start_button("Go on", f"go_on_{run.id}", icon=":material/resume:", type="primary",
                        disabled=bool(reason), help=reason)


def live_controls(run: Run) -> None:
    """A live run's progress, with pause, resume and cancel, and any request that is pending."""
    stopping, progress = (run.path / "cancel").exists(), run.progress()
    if run.state == "queued":
        st.info(unlinked(_waits(run)), title="Queued", icon=":material/hourglass_top:")
    elif progress:
        st.progress(share(progress), text=_text(progress, stopping, run.paused))
    browser = state.browser()
    locked, unpausable = why_not(run, browser), why_no_pause(run, browser)
    with st.container(horizontal=True):
        if run.paused:
            st.button("Resume", key=f"resume_{run.id}", icon=":material/play_arrow:",
                      on_click=guarded(jobs.resume), args=(run, browser),
                      disabled=stopping or bool(locked), help=locked)
        else:
            st.button("Pause", key=f"pause_{run.id}", icon=":material/pause:",
                      on_click=guarded(jobs.pause), args=(run, browser), help=unpausable,
                      disabled=stopping or run.state == "queued" or bool(unpausable))
        st.button("Cancel", key=f"cancel_{run.id}", icon=":material/stop:",
                  on_click=guarded(_cancel), args=(run, browser),
                  disabled=stopping or bool(locked), help=locked)
    asked = askers(run.manifest)
    if len(asked) > 1:
        st.caption(f":material/group: {len(asked)} browsers asked for this run. It stops when the "
                   "last of them cancels.")


def _waits(run: Run) -> str:
    """A queued run's place, which its worker tells, and why it waits."""
    if not run.message:
        return "Waiting for the worker to start."
    most = server_settings().max_jobs
    return (f"{run.message} It waits because the limit here is {most} at a time; turns go round "
            "between browsers.")


def _cancel(run: Run, browser: str) -> None:
    if not jobs.cancel(run, browser):
        st.toast("Your request is withdrawn. The run goes on for the others who asked for it.",
                 icon=":material/group:")


def share(progress: Mapping[str, Any]) -> float:
    """The part of the work that is done, from 0 to 1."""
    return min(1.0, progress["done"] / max(1, progress["total"]))


def _text(progress: Mapping[str, Any], stopping: bool, paused: bool) -> str:
    if stopping:
        return f"Stopping after {progress['text']}; what was computed is kept."
    if paused:
        return f"Paused after {progress['text']}"
    eta = progress.get("eta")
    left = "" if eta is None else f", about {duration(eta)} left"
    return f"{progress['text']} ({100 * share(progress):.0f} %{left})"
