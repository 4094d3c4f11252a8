"""Attacks: see a trigger, how visible it is, and what backdoored and benign networks answer."""

from dataclasses import replace

import streamlit as st

from app.showcase import Show, gallery_of, show_of
from app.text import sections
from app.widgets.address import choose
from app.widgets.attack_answers import attack_answers
from app.widgets.attack_card import attack_card
from app.widgets.knobs import knobs
from app.widgets.notice import guarded
from app.widgets.poison_rate import poison_rate
from app.widgets.quality_tiles import quality_tiles
from app.widgets.run_name import attack_name, dataset_name, titles
from app.widgets.trigger_gallery import trigger_gallery
from ngf_core.attacks import ATTACKS
from ngf_core.config import TrainConfig
from ngf_core.data import DATASETS

TEXT = sections("attacks")
STRENGTHS = {"default": "Default", "published": "As published"}


def page() -> None:
    """One attack: what it is, its images, its effect."""
    st.title(TEXT["title"], anchor=False)
    st.markdown(TEXT["intro"])
    with st.grid(columns=3, min_column_width=220, vertical_alignment="bottom", key="which_attack"):
        dataset = choose("dataset", "Data set", titles(DATASETS), TrainConfig.dataset)
        attack = choose("attack", "Attack", titles(ATTACKS), TrainConfig.attack)
        strength = choose("strength", "Strength of the trigger", STRENGTHS, "default")
    guarded(_attack)(TrainConfig(dataset=dataset, attack=attack, strength=strength))


def _attack(asked: TrainConfig) -> None:
    kind = ATTACKS[asked.attack].load()
    left, right = st.columns([2, 3], gap="large")
    with left:
        card = st.container()
        changes = knobs(kind, asked.strength)
    show = show_of(replace(asked, parameters=changes))
    gallery = gallery_of(show)
    with card:
        attack_card(kind, show.config, gallery.class_names)
    with left:
        rate = poison_rate(show.config)
        st.page_link("app/views/configure.py", label="Train this attack", icon=":material/tune:",
                     query_params=_address(replace(show.config, poison_rate=rate)))
    with right:
        if gallery.missing:
            _missing(show, gallery.missing)
        trigger_gallery(gallery, key="gallery", filename=f"{asked.dataset}-{asked.attack}")
        if gallery.quality:
            quality_tiles(gallery.quality, key="quality")
        if gallery.idle:
            st.caption(TEXT["idle"].format(names=", ".join(gallery.idle)))
    attack_answers(show, gallery)


def _missing(show: Show, what: str) -> None:
    config = show.config
    st.info(TEXT["missing"].format(attack=attack_name(config.attack), learns=what,
                                   dataset=dataset_name(config.dataset)),
            icon=":material/school:")
    st.code(f"python -m ngf_core train --dataset {config.dataset} --attack {config.attack}"
            f" --strength {config.strength}", language="bash")


def _address(config: TrainConfig) -> dict[str, str]:
    """The settings that Configure is to start with, as its address."""
    usual = TrainConfig()
    return {name: str(getattr(config, name))
            for name in ("dataset", "attack", "strength", "parameters", "poison_rate")
            if getattr(config, name) != getattr(usual, name)}


guarded(page)()
