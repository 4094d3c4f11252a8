"""Configure: choose an attack, inspect its images, train the model, follow the run."""

from dataclasses import replace

import streamlit as st

from app import state
from app.text import sections
from app.widgets.attacks.in_address import configure_model_in_hand, of_attacks
from app.widgets.attacks.missing_data import missing_data
from app.widgets.attacks.poison_rate import poisoned_text
from app.widgets.attacks.sample_grid import sample_grid
from app.widgets.controls.address import choose
from app.widgets.controls.config_form import ConfigForm
from app.widgets.controls.notice import guarded
from app.widgets.controls.request import request
from app.widgets.runs.run_name import titles
from app.widgets.runs.training import another_model, followed_training
from ngf_core.attacks import EVERY_ATTACK, PAINTED
from ngf_core.config import TrainConfig, config_sha
from ngf_core.data import DATASETS
from ngf_core.errors import ConfigError
from ngf_core.models import ARCHITECTURES
from ngf_core.runs import Run
from ngf_core.runs.server_settings import server_settings

TEXT = sections("configure")
EPOCHS = {"quick": 12, "full": TrainConfig.epochs}
BUDGETS = {"quick": f"Quick ({EPOCHS['quick']} epochs)", "full": f"Full ({EPOCHS['full']} epochs)",
           "own": "Own"}


def page() -> None:
    """The form, the images it would poison, and the run it started."""
    st.title(TEXT["title"])
    st.markdown(TEXT["intro"])
    run = followed_training()
    if run is None:
        _form(None)
    elif run.live:
        another_model()
    else:
        # The form makes images and a cost estimate, so it is drawn only when it is open.
        box = st.expander("Train another model", icon=":material/add:", on_change="rerun",
                          key=f"another_{run.id}")
        if box.open:
            with box:
                _form(run)


def _form(shown: Run | None) -> None:
    """The form and its images; `shown` is the run above it, if there is one."""
    configure_model_in_hand()
    form = ConfigForm(TrainConfig)
    left, right = st.columns([2, 3], gap="large")
    with left:
        _fields(form)
        poison = st.empty()
        action = st.container()
    config = form.read()
    if config is None:
        return
    try:
        with right:
            _images(config, poison)
        with action:
            run = request(config, "Train this model", "Train it again", "train", shown=shown)
            if run is not None:
                state.open_run(run)
                st.rerun()
    except ConfigError as error:
        form.blame(error)
        with right:
            missing_data(config)


def _fields(form: ConfigForm) -> None:
    dataset = form.ask("dataset", "Data set", options=titles(DATASETS), always=True)
    if not DATASETS[dataset].embedded:
        if not server_settings().for_many:
            form.ask("root", "Folder of your data sets")
        form.ask("limit", "Images per class")
        form.ask("size", "Side of the images")
    attack = form.ask("attack", "Attack", options={"none": "None (benign)"} | titles(EVERY_ATTACK),
                      always=True, on_change=lambda: state.remember("parameters", ""))
    if attack == "none":
        st.caption(TEXT["benign"])
    else:
        if attack != PAINTED:
            form.ask("strength", "Strength of the trigger",
                     options={"default": "Default", "published": "As published"})
        rate = form.ask("poison_rate", "Poison rate", step=0.01)
        names = {str(i): name for i, name in enumerate(state.class_names(dataset))}
        form.ask("target", "Target label", options=names or None)
    if attack == PAINTED:
        changes = form.ask("parameters", "Picture of the trigger, as text")
        st.page_link("app/views/attacks.py", label="Paint it", icon=":material/brush:",
                     query_params=of_attacks(TrainConfig(dataset=dataset, attack=attack,
                                                         parameters=changes, poison_rate=rate)))
    form.ask("arch", "Architecture", options=titles(ARCHITECTURES))
    budget = choose("budget", "Budget", BUDGETS, "quick")
    if budget == "own":
        form.ask("epochs", "Epochs")
    else:
        form.give("epochs", EPOCHS[budget])
    form.ask("seed", "Seed")
    # A link may set the parameters of the trigger; an error in them must not be hidden.
    with st.expander("Training details", key="training_details",
                     expanded=attack != PAINTED and bool(st.query_params.get("parameters"))):
        form.ask("batch_size", "Batch size")
        form.ask("lr", "Peak learning rate", step=0.01)
        form.ask("weight_decay", "Weight decay")
        form.ask("precision", "Precision")
        if not server_settings().for_many:
            form.ask("weights", "Start from weights")
        if attack not in ("none", PAINTED):
            form.ask("parameters", "Changed parameters of the attack")


@st.cache_data(max_entries=32, show_spinner="Making the images")
def _preview(sha: str, _config: TrainConfig) -> dict:
    from ngf_core.trained.poison_preview import poison_preview

    return poison_preview(_config, count=8)


def _images(config: TrainConfig, poison) -> None:
    # The images do not depend on how the model is trained: those settings must not miss the cache.
    shown = replace(config, epochs=1, lr=0.1, weight_decay=0.0, batch_size=128, precision="auto",
                    weights="")
    samples = _preview(config_sha(shown), shown)
    if config.attack == "none":
        samples = {part: samples[part] for part in ("clean", "labels", "class_names")}
    else:
        poison.markdown(poisoned_text(samples["poisoned"], samples["train_images"]))
        st.markdown(TEXT["preview"])
        if samples["learns"]:
            st.info(TEXT["learns"].format(what=samples["learns"]), icon=":material/school:")
    sample_grid(samples, samples["class_names"], key="preview")


guarded(page)()
