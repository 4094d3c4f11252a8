"""Which runs are compared: chosen here, by the address, or by ticking rows on Runs."""

import streamlit as st

from app import state
from app.widgets.controls.address import runs_in_address
from app.widgets.runs.run_name import run_name
from ngf_core.compare.differences import MOST
from ngf_core.errors import NGFError
from ngf_core.runs import Run

WIDGET = "compare_runs"


def chosen_runs() -> list[Run]:
    """The runs chosen, at most `MOST`, in their order, bound to ?runs=id,id.

    Ids in the address that are not here, or too many, give a card that names them.
    """
    store, linked = state.store(), st.query_params.get("runs")
    offered = {run.id: run for run in store.list() if run.state != "corrupt"}
    if state.remembered(WIDGET) is None or linked != state.remembered("runs_in_url"):
        named = runs_in_address()
        offered |= {run.id: run for run in named}
        _warn_too_many(named[MOST:])
        state.remember(WIDGET, [run.id for run in named[:MOST]])
    held = [name for name in state.remembered(WIDGET) if name in offered or _is_there(name)]
    if held != state.remembered(WIDGET):  # one was deleted meanwhile
        state.remember(WIDGET, held)
    offered |= {name: store.get(name) for name in held if name not in offered}
    names = {name: run_name(run, store) for name, run in offered.items()}
    picked = st.multiselect("Runs", list(names), default=held, key=WIDGET, max_selections=MOST,
                            format_func=lambda name: names[name],
                            placeholder="Choose two to six runs")
    state.write_url("runs", ",".join(picked) or None)
    return [offered[name] for name in picked]


def _is_there(run_id: str) -> bool:
    try:
        state.store().get(run_id)
    except NGFError:
        return False
    return True


def _warn_too_many(left_out: list[Run]) -> None:
    if left_out:
        st.warning(f"At most {MOST} runs fit one comparison. Left out: "
                   f"{', '.join(run.id for run in left_out)}.", icon=":material/filter_6:")
