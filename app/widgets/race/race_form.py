"""The form that starts a race; its bounds and help are those of PurifyConfig's fields."""

import dataclasses
from typing import Any

import streamlit as st

from app import state
from app.text import sections
from app.theme import style
from app.widgets.controls.config_form import ConfigForm, help_text
from app.widgets.controls.layer_choice import check_layer, layer_choice
from app.widgets.controls.method_parameters import ask_methods, own_address
from app.widgets.controls.notice import show_error
from app.widgets.controls.request import request
from app.widgets.controls.start_button import start_button
from app.widgets.runs.run_picker import pick_run
from ngf_core.config import PurifyConfig
from ngf_core.config.methods import names_of
from ngf_core.errors import NGFError
from ngf_core.purify import NGF
from ngf_core.runs import Run
from ngf_core.runs.files import MODEL_KINDS

# Settings that are rarely changed: in a folded part of the form.
MORE = {
    "seconds": "Seconds per method (0: no limit)", "clean_fraction": "Clean set, as a share",
    "clean_balance": "Classes of the clean set", "batchnorm": "BatchNorm",
    "batch_size": "Clean images per step", "pool": "Augmented copies (0: new each step)",
}
FIELDS = {field.name: field for field in dataclasses.fields(PurifyConfig)}
LAYER = NGF.__dataclass_fields__["layer"]


def asks_for_form() -> bool:
    """True where the address names a model to race on (?source=) and no race to watch."""
    return "source" in st.query_params and "run" not in st.query_params


def open_form() -> None:
    """Point the address at the form, with the newest model."""
    state.write_url("run", None)
    state.write_url("source", "latest")


def open_form_as(config: PurifyConfig) -> dict[str, str]:
    """Fill in the form with a race; the address of the race page that then shows it.

    Settings bound to the address are in the address, the others in the session.
    """
    for name in ("augment", "steps", "seed"):
        state.remember(f"form_{name}", getattr(config, name))
    state.remember("form_methods", list(config.names))
    for layer in list(config.layers.values())[:1]:
        state.remember("form_layer", layer)
    state.remember("form_sharpness", config.sharpness == "on")
    return {"source": config.source} | {
        f"race_{name}": str(getattr(config, name)) for name in MORE
        if getattr(config, name) != FIELDS[name].default} | {
        own_address(own.method, field.name): _word(getattr(own, field.name))
        for own in config.methods for field in dataclasses.fields(own)
        if field.name != "layer" and getattr(own, field.name) != field.default}


def _word(value: Any) -> str:
    """A value as the form's address has it."""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def race_form() -> None:
    """Controls for the model and the settings that matter most; starts the race on demand."""
    if st.query_params.get("source") == "latest":
        state.write_url("source", None)
    source = pick_run(MODEL_KINDS, key="source", label="Model to purify",
                      keep=lambda run: run.state == "done")
    if source is None:
        st.info(sections("race")["no models"])
        st.page_link("app/views/configure.py", label="Train a model")
        return
    config = _ask(source)
    if config is None:
        start_button("Start race", "start_race", type="primary", icon=":material/flag:",
                     disabled=True)
    else:
        _start(config)
    if asks_for_form():
        st.button("Back to the races", key="leave_form", type="tertiary",
                  on_click=lambda: state.write_url("source", None))


def _ask(source: Run) -> PurifyConfig | None:
    """The race's config; None where a value cannot be used, with the error shown."""
    form = ConfigForm(PurifyConfig, prefix="race_")
    left, right = st.columns(2, gap="large")
    with left:
        names = st.pills("Methods", _choices("methods"),
                         default=list(names_of(_default("methods"))),
                         selection_mode="multi", wrap=True, key="form_methods",
                         help=_help("methods"), format_func=lambda name: style(name).label)
        layers = state.layers_of(source)
        layer = layer_choice(layers, help=help_text(LAYER))
        form.note_here("layer")
    with right:
        augment = st.segmented_control("Augmentation of the clean images", _choices("augment"),
                                       default=_default("augment"), required=True,
                                       key="form_augment", help=_help("augment"))
        counts = st.columns(2)
        bounds = FIELDS["steps"].metadata
        steps = counts[0].number_input("Steps", bounds["low"], bounds["high"], _default("steps"),
                                       key="form_steps", help=_help("steps"))
        bounds = FIELDS["seed"].metadata
        seed = counts[1].number_input("Seed", bounds["low"], bounds["high"], _default("seed"),
                                      key="form_seed", help=_help("seed"))
        sharp = st.toggle("Live sharpness: λ_max and Tr(F) along the race",
                          value=_default("sharpness") == "on", key="form_sharpness",
                          help=_help("sharpness"))
    with st.expander("More settings", icon=":material/tune:", key="race_more"):
        with st.grid(columns=3, min_column_width=200, key="race_more_fields"):
            for name, label in MORE.items():
                with st.container():
                    form.ask(name, label)
        methods = ask_methods(names, layer)
    if not names:
        st.caption(":material/info: Choose at least one method.")
        return None
    if methods is None:
        return None
    for name, value in {"source": source.id, "methods": methods, "augment": augment,
                        "steps": int(steps), "seed": int(seed),
                        "sharpness": "on" if sharp else "off"}.items():
        form.give(name, value)
    wrong = check_layer(layers, layer)
    if wrong is not None:
        form.blame(wrong)
        return None
    return form.read()


def _start(config: PurifyConfig) -> None:
    try:
        run = request(config, "Start race", "Race again", "start_race", icon=":material/flag:")
    except NGFError as error:
        show_error(error)
        return
    if run is not None:
        state.write_url("source", None)
        state.open_run(run)
        st.rerun()


def _default(name: str) -> Any:
    return FIELDS[name].default


def _choices(name: str) -> list[str]:
    return list(FIELDS[name].metadata["choices"])


def _help(name: str) -> str:
    return help_text(FIELDS[name])
