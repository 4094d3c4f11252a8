"""Attacks: a trigger, how visible it is, and the answers of backdoored and benign networks."""

from dataclasses import replace

import streamlit as st

from app.read.showcase import Show, answers_of, gallery_of, show_of
from app.text import sections
from app.widgets.attacks.attack_answers import attack_answers, success
from app.widgets.attacks.attack_card import attack_card
from app.widgets.attacks.in_address import OF_ATTACKS, OF_CONFIGURE, in_address
from app.widgets.attacks.missing_data import missing_data
from app.widgets.attacks.own_picture import own_picture
from app.widgets.attacks.poison_rate import poison_rate
from app.widgets.attacks.quality_tiles import quality_tiles
from app.widgets.attacks.trigger_gallery import gallery_table, trigger_gallery
from app.widgets.controls.address import choose
from app.widgets.controls.knobs import knobs
from app.widgets.controls.notice import guarded, show_error
from app.widgets.runs.run_name import attack_name, dataset_name, titles
from ngf_core.attacks import EVERY_ATTACK, PAINTED
from ngf_core.config import TrainConfig
from ngf_core.config.command import command_line
from ngf_core.data import DATASETS
from ngf_core.errors import ConfigError, NGFError

TEXT = sections("attacks")
STRENGTHS = {"default": "Default", "published": "As published"}


def page() -> None:
    """One attack: its definition, its images, its effect."""
    st.title(TEXT["title"], anchor=False)
    st.markdown(TEXT["intro"])
    with st.grid(columns=3, min_column_width=220, vertical_alignment="bottom", key="which_attack"):
        dataset = choose("dataset", "Data set", titles(DATASETS), TrainConfig.dataset)
        attack = choose("attack", "Attack", titles(EVERY_ATTACK), TrainConfig.attack)
        # A trigger of one's own has no published strength.
        strength = TrainConfig.strength if attack == PAINTED else choose(
            "strength", "Strength of the trigger", STRENGTHS, TrainConfig.strength)
    config = TrainConfig(dataset=dataset, attack=attack, strength=strength)
    try:
        _attack(config)
    except ConfigError as error:
        show_error(error)
        missing_data(config)


def _attack(config: TrainConfig) -> None:
    kind = EVERY_ATTACK[config.attack].load()
    card = st.container(key="attack_card")
    left, right = st.columns([3, 8], gap="large")
    with left:
        changes = knobs(kind, config.strength)
    show = show_of(replace(config, parameters=changes))
    gallery = gallery_of(show)
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
        st.switch_page("app/views/configure.py", query_params=in_address(
            replace(config, poison_rate=rate), OF_CONFIGURE))
    return rate


def _nothing_painted(show: Show) -> None:
    st.info(TEXT["nothing painted"], icon=":material/brush:")
    if show.backdoored:
        st.page_link("app/views/attacks.py", icon=":material/bug_report:",
                     label="Show the one that your newest model was trained on",
                     query_params=in_address(show.backdoored.config_as(TrainConfig), OF_ATTACKS))


def _missing(show: Show, what: str) -> None:
    config = show.config
    st.info(TEXT["missing"].format(attack=attack_name(config.attack), learns=what,
                                   dataset=dataset_name(config.dataset)),
            icon=":material/school:")
    st.code(command_line(config), language="bash", wrap_lines=True)


guarded(page)()
