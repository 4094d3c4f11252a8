"""Choose a run by hand or by address (?run=...)."""

from collections.abc import Callable, Sequence

import streamlit as st

from app import state
from app.read.model_in_hand import of_model_in_hand
from app.text.outside import unlinked
from app.widgets.controls.address import select
from app.widgets.runs.run_name import run_name
from ngf_core.errors import NGFError
from ngf_core.runs import Run


def pick_run(kinds: str | Sequence[str], key: str = "run", label: str = "Run",
             keep: Callable[[Run], bool] = lambda run: True) -> Run | None:
    """The run chosen in a select box bound to `?<key>=<id>`; None if there is none of `kinds`.

    Runs of the model in hand are offered, the newest first as the default, corrupt ones not, and
    `keep` narrows the list further. A run of the benchmark is offered where the address names it.
    Any other id in the address that is not offered gives a card with the reason, and the default
    is used.
    """
    store = state.store()
    wanted = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    runs = {run.id: run for run in store.list()
            if run.state != "corrupt" and run.config.kind in wanted and of_model_in_hand(run)
            and keep(run)}
    linked = st.query_params.get(key)
    unlisted = _fitting(linked, wanted, keep) if linked and linked not in runs else None
    if unlisted is not None:
        runs[unlisted.id] = unlisted
    if not runs:
        if linked:
            _unknown_run(linked, wanted)
        return None
    choice = state.choice_from_url(key, list(runs), next(iter(runs)))
    if choice.unknown:
        _unknown_run(choice.unknown, wanted)
    names = {run_id: run_name(run, store) for run_id, run in runs.items()}
    chosen = select(label, names, choice.widget,
                    on_change=lambda: state.write_url(key, state.remembered(choice.widget)))
    if not choice.unknown:
        state.write_url(key, chosen)
    return runs.get(chosen)


def _fitting(run_id: str, kinds: tuple[str, ...], keep: Callable[[Run], bool]) -> Run | None:
    """The run of that id, listed or not, if it is one of `kinds` and `keep` accepts it."""
    try:
        run = state.store().get(run_id)
    except NGFError:
        return None
    fits = run.config.kind in kinds and of_model_in_hand(run) and keep(run)
    return run if fits else None


def _unknown_run(run_id: str, kinds: tuple[str, ...]) -> None:
    try:
        run = state.store().get(run_id)
        why = (f"Run {run_id} is a {run.config.kind} run; this page shows "
               f"{' and '.join(kinds)} runs.")
    except NGFError as error:
        why = str(error)
    st.info(unlinked(why), icon=":material/search_off:")
    st.page_link("app/views/runs.py", label="See all runs")
