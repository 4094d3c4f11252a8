"""Attacks: a trigger, how visible it is, and the answers of backdoored and benign networks."""

from dataclasses import replace

import streamlit as st

from app import state
from app.read.model_in_hand import in_hand
from app.read.showcase import Show, answers_of, gallery_of, show_of
from app.text import sections
from app.widgets.attacks.attack_answers import attack_answers, success
from app.widgets.attacks.attack_card import attack_card
from app.widgets.attacks.in_address import of_configure, opened_on, trigger_at_first
from app.widgets.attacks.missing_data import missing_data
from app.widgets.attacks.own_picture import own_picture
from app.widgets.attacks.poison_rate import poison_rate
from app.widgets.attacks.quality_tiles import quality_tiles
from app.widgets.attacks.trigger_gallery import gallery_table, trigger_gallery
from app.widgets.controls.address import choose
from app.widgets.controls.knobs import knobs
from app.widgets.controls.notice import guarded, show_error
from app.widgets.model.model_of_attack import take_model_of_choice
from app.widgets.model.model_on_page import model_on_page, say_whose
from app.widgets.runs.run_name import attack_name, dataset_name, titles
from ngf_core.attacks import EVERY_ATTACK, PAINTED
from ngf_core.config import TrainConfig
from ngf_core.config.command import command_line
from ngf_core.data import DATASETS
from ngf_core.errors import ConfigError, NGFError
from ngf_core.runs import Run

TEXT = sections("attacks")
STRENGTHS = {"default": "Default", "published": "As published"}


def page() -> None:
    """One attack: its definition, its images, its effect; at first that of the model in hand."""
    st.title(TEXT["title"], anchor=False)
    st.markdown(TEXT["intro"])
    (held, named), made = model_on_page(), opened_on()
    if state.remembered("attacks_of") != in_hand():
        state.forget_choices(("dataset", "attack", "strength"))
        state.remember("attacks_of", in_hand())
    with st.grid(columns=3, min_column_width=220, vertical_alignment="bottom", key="which_attack"):
        dataset = choose("dataset", "Data set", titles(DATASETS), made.dataset,
                         always=not named, on_change=take_model_of_choice)
        attack = choose("attack", "Attack", titles(EVERY_ATTACK), made.attack,
                        always=not named, on_change=take_model_of_choice)
        first = trigger_at_first(made, attack)
        # A trigger of one's own has no published strength.
        strength = TrainConfig.strength if attack == PAINTED else choose(
            "strength", "Strength of the trigger", STRENGTHS, first.strength)
    images = made if dataset == made.dataset else TrainConfig(dataset=dataset)
    first = trigger_at_first(made, attack, strength)
    config = replace(images, attack=attack, strength=strength, parameters=first.parameters,
                     poison_rate=first.poison_rate)
    try:
        _attack(config, held)
    except ConfigError as error:
        show_error(error)
        missing_data(config)


def _attack(config: TrainConfig, held: Run | None) -> None:
    kind = EVERY_ATTACK[config.attack].load()
    whose, card = st.container(key="whose_attack"), st.container(key="attack_card")
    left, right = st.columns([3, 8], gap="large")
    with left:
        changes = knobs(kind, config.strength, config.parameters)
    show = show_of(replace(config, parameters=changes), held)
    gallery = gallery_of(show)
    with whose:
        say_whose(show, held)
    with card:
        attack_card(kind, show.config, gallery.class_names)
    with left:
        rate = _train(show.config)
    answers = _answers(show, gallery)
    with right:
        if gallery.missing:
            _missing(show, gallery.missing)
        elif gallery.triggered is None:
            _nothing_painted(show)
        trigger_gallery(gallery, key="gallery")
        if gallery.idle:
            st.caption(TEXT["idle"].format(names=", ".join(gallery.idle)))
        if gallery.quality:
            quality_tiles(gallery.quality, success(gallery, answers or {}), key="quality")
        gallery_table(gallery, key="gallery", filename=f"{config.dataset}-{config.attack}")
    if answers is not None:
        attack_answers(show, gallery, answers)
        own_picture(show, gallery, rate)


def _answers(show: Show, gallery) -> dict | None:
    """The models' answers; an error card and None where a model cannot be read."""
    try:
        return answers_of(show, gallery)
    except NGFError as error:
        show_error(error)
        return None


def _train(config: TrainConfig) -> float:
    """The poison rate, and a button to Configure with everything chosen here; that rate."""
    rate = poison_rate(config)
    if st.button("Train this attack", icon=":material/tune:", key="train_this"):
        st.switch_page("app/views/configure.py",
                       query_params=of_configure(replace(config, poison_rate=rate)))
    return rate


def _nothing_painted(show: Show) -> None:
    st.info(TEXT["nothing painted"], icon=":material/brush:")
    if show.backdoored:
        st.page_link("app/views/attacks.py", icon=":material/bug_report:",
                     label="Show the one that your newest model was trained on",
                     query_params={"run": show.backdoored.id})


def _missing(show: Show, what: str) -> None:
    config = show.config
    st.info(TEXT["missing"].format(attack=attack_name(config.attack), learns=what,
                                   dataset=dataset_name(config.dataset)),
            icon=":material/school:")
    st.code(command_line(config), language="bash", wrap_lines=True)


guarded(page)()
