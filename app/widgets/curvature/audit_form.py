"""The two models of an audit, chosen in its form."""

import streamlit as st

from app import state
from app.text import sections
from app.theme import style
from app.widgets.controls.config_form import ConfigForm
from app.widgets.runs.run_name import run_name
from ngf_core.config import PurifyConfig
from ngf_core.errors import RunError
from ngf_core.runs import Run, RunStore
from ngf_core.runs.files import MODEL_KINDS, RECEIVED
from ngf_core.runs.lineage import model_files, training_of

SAME_RUN = "same"


def _pairable(run: Run, source: Run, store: RunStore) -> bool:
    """Whether the two are of one data set and, where both name it, one network."""
    try:
        one, other = (training_of(each, store) for each in (run, source))
    except RunError:
        return False
    return one.dataset == other.dataset and (
        one.arch == other.arch or not (one.arch and other.arch))


def ask_pair(form: ConfigForm, source: Run) -> bool:
    """Ask for the run and the name of the model after; False where there is no second model."""
    store = state.store()
    others = {run.id: run_name(run, store) for run in store.list()
              if run.state == "done" and run.kind in (*MODEL_KINDS, "purify")
              and run.id != source.id and not run.shipped and _pairable(run, source, store)}
    purified = isinstance(source.config, PurifyConfig)
    offered = ({"": "The same run"} if purified else {}) | others
    if not offered:
        st.info(sections("audit")["one model"], icon=":material/looks_two:")
        return False
    against = form.ask("against", "Model after is in", options=offered,
                       default=next(iter(offered)))
    holder = store.get(against) if against else source
    names = [name for name in model_files(holder) if against or name != RECEIVED]
    form.ask("model", "Model after", options={name: style(name).label for name in names},
             default="ngf" if "ngf" in names else names[0])
    return True
