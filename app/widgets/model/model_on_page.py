"""The model in hand on a page that shows one attack: in its address, and where it is another's."""

import streamlit as st

from app import state
from app.read.model_in_hand import holder_of_model, in_hand, model_of
from app.read.showcase import Show
from app.text import sections
from app.text.outside import plain, unlinked
from app.widgets.runs.run_name import model_name
from ngf_core.errors import NGFError
from ngf_core.runs import Run

TEXT = sections("attacks")


def model_on_page() -> tuple[Run | None, bool]:
    """The run that holds the model in hand, and whether ?run= names that model from here on.

    A run of that model in the address stays there; one that cannot be read gives a card with the
    reason and stays too.
    """
    holder, store = holder_of_model(in_hand()), state.store()
    if not (linked := st.query_params.get("run")):
        state.write_url("run", None if holder is None else holder.id)
        return holder, True
    try:
        if model_of(store.get(linked), store) is not None:
            return holder, True
        why = TEXT["no model"].format(run=linked)
    except NGFError as error:
        why = str(error)
    st.info(unlinked(why), icon=":material/search_off:")
    return holder, False


def say_whose(show: Show, held: Run | None) -> None:
    """One line where the model in hand is not the one that carries this attack."""
    if held is None or held == show.backdoored:
        return
    name = plain(model_name(held, state.store()))
    if held == show.runs.get("benign"):
        st.caption(TEXT["benign in hand"])
    elif held.state != "done":
        st.caption(TEXT["unfinished in hand"].format(name=name))
    else:
        answers = " " + TEXT["answers too"] if held in show.runs.values() else ""
        st.caption(TEXT["other in hand"].format(name=name) + answers)
