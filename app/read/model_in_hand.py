"""The model that a session is about: chosen once, and taken along from page to page.

A model is named by the id of the run that trained it or took it in, whether or not that run is
still there: a finished race keeps the model it received.
"""

from app import state
from ngf_core.config import TrainConfig
from ngf_core.config.imported import as_training
from ngf_core.errors import NGFError
from ngf_core.runs import Run, RunStore
from ngf_core.runs.files import MODEL_KINDS
from ngf_core.runs.lineage import training_of

WIDGET = "model_choice"
# Address words that name a run of the model, or belong to one run of it.
WORDS = ("run", "source", "scenario", "spectrum", "landscape", "layers", "audit", "step",
         "trigger", "picked")
# Those that say how a model is made, on the pages that open as the model in hand was made.
MAKING = ("dataset", "attack", "strength", "parameters", "arch")


def model_of(run: Run, store: RunStore) -> str | None:
    """The id of the model behind a run of any kind; None where the way to it is broken."""
    try:
        while run.state != "corrupt" and run.kind not in MODEL_KINDS:
            source = run.manifest["source"]
            if run.kind in ("purify", "layers"):
                return source
            run = store.find(source)
    except NGFError:
        return None
    return None if run.state == "corrupt" else run.id


def in_hand() -> str | None:
    """The id of the model in hand; None before there is any."""
    return state.remembered(WIDGET)


def take(model: str) -> None:
    """Take a model in hand; before the bar is drawn."""
    state.remember(WIDGET, model)


def put_away(making: bool = False) -> None:
    """Clear the address of what belongs to the model that was in hand until now; with
    `making`, of how a model is made too."""
    state.leave_out((*WORDS, *MAKING) if making else WORDS)


def holder_of_model(model: str | None) -> Run | None:
    """The run that holds a model: its training or import, else the newest finished race on it."""
    if model is None:
        return None
    try:
        return state.store().get(model)
    except NGFError:
        return next((run for run in state.store().list("purify")
                     if run.state == "done" and run.manifest["source"] == model), None)


def made_in_hand() -> TrainConfig:
    """How the model in hand was made, as settings of a training; the defaults where there is no
    model, and in the place of what nobody knows of an imported one."""
    holder = holder_of_model(in_hand())
    try:
        return TrainConfig() if holder is None else as_training(training_of(holder, state.store()))
    except NGFError:
        return TrainConfig()


def of_model_in_hand(run: Run) -> bool:
    """True for the runs of the model in hand, and for all where there is none."""
    return in_hand() is None or model_of(run, state.store()) == in_hand()
