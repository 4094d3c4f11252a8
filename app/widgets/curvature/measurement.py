"""Landscapes and spectra: choose the models, show their measurements, start a new one."""

import math
from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from app import state
from app.read.model_in_hand import of_model_in_hand
from app.text.outside import unlinked
from app.widgets.controls.address import select
from app.widgets.controls.config_form import ConfigForm
from app.widgets.controls.notice import model_notice, versions_notice
from app.widgets.controls.request import request
from app.widgets.runs.follow import AGAIN, follow
from app.widgets.runs.run_picker import pick_run
from ngf_core.config import AuditConfig, LandscapeConfig, LayersConfig, SpectrumConfig, flat
from ngf_core.errors import ConfigError, NGFError
from ngf_core.runs import Run
from ngf_core.runs.files import MODEL_KINDS

SOURCE_KINDS = ("purify", *MODEL_KINDS)
Measured = type[SpectrumConfig | LandscapeConfig | LayersConfig | AuditConfig]
Ask = Callable[[ConfigForm, Run], bool]


def measurement(config: Measured, labels: Mapping[str, str], empty: str, *,
                draw: Callable[[Run], None] | None = None, again: str = AGAIN,
                source_kinds: Sequence[str] = SOURCE_KINDS, noun: str | None = None,
                ask: Ask | None = None) -> Run | None:
    """The measurement (a run of `config.kind`) to draw; None while there is nothing to draw.

    `?run=` takes a run of one of the kinds `source_kinds`, whose newest measurement is shown, or a
    measurement. `labels` names the settings in the form; `empty` is the text where there is no
    model. `draw(run)` shows what a run without a result has so far. `again` labels the button for a
    run that ended early and left something. `noun` is the measurement's name on screen, where it is
    not its kind. `ask` draws further controls of the form for a source, and returns whether the
    measurement can then be made.
    """
    kind = config.kind
    noun = noun or kind
    _seed_address(kind, source_kinds)
    source = pick_run(source_kinds, label="Models of", keep=lambda run: run.state == "done")
    if source is None:
        st.info(empty, icon=":material/hourglass_empty:")
        st.page_link("app/views/configure.py", label="Train a model", icon=":material/tune:")
        return None
    model_notice(source)
    made = {run.id: run for run in state.store().list(kind) if run.manifest["source"] == source.id}
    # The form is drawn only when it is open: its cost estimate has to import torch.
    box = st.expander(f"Compute {'another' if made else 'the'} {noun}", expanded=not made,
                      icon=":material/add:", key=f"{kind}_form_{source.id}_{len(made)}",
                      on_change="rerun")
    if box.open:
        with box:
            _form(config, labels, source, noun, ask)
    if not made:
        st.info(f"The {noun} of these models has not been computed yet.",
                icon=":material/search_off:")
        return None
    run = made[_pick(kind, made, noun)]
    versions_notice(run)
    done = follow(run, address=kind, draw=draw if run.live or not run.has(kind) else None,
                  again=again if run.has(kind) else AGAIN)
    return run if done or run.has(kind) and not run.live else None


def _seed_address(kind: str, source_kinds: Sequence[str]) -> None:
    """Let ?run= name a measurement, or any run of a model whose measurements are shown here;
    without it, show the newest finished one of the model in hand."""
    store, linked = state.store(), st.query_params.get("run")
    try:
        run = store.get(linked) if linked else next(
            (r for r in store.list(kind) if r.state == "done" and of_model_in_hand(r)), None)
        if run is not None and run.kind == "purify" and "purify" not in source_kinds:
            state.open_run(store.get(run.manifest["source"]))
        if run is None or run.kind != kind:
            return
        source = store.get(run.manifest["source"])
    except NGFError:
        return
    state.open_run(source)
    if linked:
        state.open_run(run, kind)


def _pick(kind: str, made: Mapping[str, Run], noun: str) -> str:
    """The id of the measurement: the newest, or the one in ?<kind>=."""
    if len(made) == 1:
        state.write_url(kind, None)
        return next(iter(made))
    _drop_stale(kind, made, noun)
    choice = state.choice_from_url(kind, list(made), next(iter(made)))
    chosen = select(f"{noun.capitalize()} ({len(made)} computed)",
                    {run_id: settings(run) for run_id, run in made.items()}, choice.widget)
    state.write_url(kind, chosen)
    return chosen


def _drop_stale(kind: str, made: Mapping[str, Run], noun: str) -> None:
    """Drop a measurement of other models from the address; a missing one is named in a toast."""
    linked = st.query_params.get(kind)
    if linked is None or linked in made:
        return
    state.write_url(kind, None)
    try:
        state.store().find(linked)
    except NGFError as error:
        st.toast(f"{unlinked(str(error))} The newest {noun} is shown.", icon=":material/link_off:")


def settings(run: Run) -> str:
    """A measurement's settings in one line."""
    values = flat(run.config)
    values.pop("source")
    text = ", ".join(f"{name.replace('_', ' ')} {_text(value)}" for name, value in values.items())
    status = run.state
    return text if status == "done" else f"{status}: {text}"


def _text(value: object) -> str:
    return " + ".join(value) if isinstance(value, tuple) else str(value) or "none"


def _form(config: Measured, labels: Mapping[str, str], source: Run, noun: str,
          ask: Ask | None) -> None:
    form = ConfigForm(config, prefix=f"{config.kind}_")
    form.give("source", source.id)
    if ask is not None and not ask(form, source):
        return
    rows = math.ceil(len(labels) / 7)
    with st.grid(columns=math.ceil(len(labels) / rows), min_column_width=150,
                 key=f"{config.kind}_fields"):
        for name, label in labels.items():
            with st.container():
                form.ask(name, label)
    filled = form.read()
    if filled is None:
        return
    try:
        run = request(filled, f"Compute the {noun}", f"Compute the {noun} again",
                      f"{config.kind}_start")
        if run is not None:
            state.open_run(run, config.kind)
            st.rerun()
    except ConfigError as error:
        form.blame(error)
