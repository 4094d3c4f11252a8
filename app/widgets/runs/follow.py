"""Follow one run: its progress while it lives, its sentence when it ended without a result."""

from collections.abc import Callable

import streamlit as st

from app import jobs, state
from app.widgets.controls.cost_line import duration
from app.widgets.controls.notice import guarded
from ngf_core.runs import Run

LOOK_EVERY = 1.0
AGAIN = "Start it again"
ENDED = {"failed": "failed", "cancelled": "was cancelled", "lost": "was lost",
         "corrupt": "cannot be read"}


def follow(run: Run, *, address: str = "run", draw: Callable[[Run], None] | None = None,
           again: str = AGAIN) -> bool:
    """True when the run is done; until then draw where it stands, and `draw(run)` below it.

    A live run is looked at every second and can be cancelled; the page is drawn anew once when it
    ends. One that failed, was cancelled or lost shows its sentence and can be started again, which
    points the address parameter `address` at the new run; `again` is the label of that button.
    """
    status, message = run.status()
    if status == "done":
        return True
    if status in ("queued", "running"):
        st.fragment(guarded(_live), run_every=LOOK_EVERY)(run, draw)
        return False
    show = {"failed": st.error, "lost": st.warning}.get(status, st.info)
    show(message or "Nothing more is known.", title=f"This {run.kind} run {ENDED[status]}")
    if st.button(again, icon=":material/replay:", key=f"again_{run.id}"):
        state.open_run(jobs.restart(run), address)
        st.rerun()
    if draw:
        guarded(draw)(run)
    return False


def _live(run: Run, draw: Callable[[Run], None] | None) -> None:
    status, message = run.status()
    if status not in ("queued", "running"):
        st.rerun()
    progress = run.progress()
    bar, button = st.columns([5, 1], vertical_alignment="center")
    if progress is None or status == "queued":
        bar.progress(0.0, text=message or f"The run is {status}.")
    else:
        share = min(progress["done"] / max(progress["total"], 1), 1.0)
        bar.progress(share, text=_text(progress, share))
    if button.button("Cancel", icon=":material/stop:", key=f"cancel_{run.id}", width="stretch"):
        jobs.cancel(run)
        st.toast("Stopping; what was computed is kept.")
    if draw:
        draw(run)


def _text(progress: dict, share: float) -> str:
    eta = progress.get("eta")
    left = "" if eta is None else f", about {duration(eta)} left"
    return f"{progress['text']} ({share:.0%}{left})"
