"""An attack's images, and the answers of a backdoored and a benign model to them.

`replies` holds the answers to the "clean" and, where there is a trigger, the "triggered" images,
each by model; it is empty where there is no model.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from app import state
from app.read.showcase import NAMES, Show
from app.text import sections
from app.text.outside import plain
from app.widgets.attacks.answer_cards import Card, answer_cards
from app.widgets.attacks.in_address import of_configure
from app.widgets.controls.notice import model_notice, versions_notice
from app.widgets.runs.run_name import attack_name, brief, dataset_name, run_name
from ngf_core.attacks import PAINTED
from ngf_core.config import ModelConfig
from ngf_core.evaluate.rates import Rate
from ngf_core.runs import Run
from ngf_core.runs.lineage import received_rates

if TYPE_CHECKING:
    from ngf_core.trained.gallery import Answers, Gallery

    Replies = dict[str, dict[str, Answers]]

TEXT = sections("attacks")


def attack_answers(show: Show, gallery: "Gallery", replies: "Replies") -> None:
    """Cards of the images shown with every model's answers, and the table of them."""
    st.header(TEXT["sees"], anchor=False)
    missing_models(show)
    if "triggered" not in replies:
        return
    _other_trigger(show)
    st.markdown(TEXT["sees text"])
    answer_cards(_cards(show, gallery, replies), gallery.class_names, columns=4, key="answers")
    table = answer_table(gallery, replies)
    with st.expander(f"Table ({len(table)} rows)", key="answers_table_box"):
        st.dataframe(table, hide_index=True, key="answers_table")
        st.download_button("Download CSV", lambda: table.to_csv(index=False).encode(),
                           file_name=f"answers-{show.config.dataset}-{show.config.attack}.csv",
                           mime="text/csv", key="answers_csv", on_click="ignore")
    st.caption("  \n".join(_who(name, run) for name, run in show.runs.items()))
    if show.backdoored:
        model_notice(show.backdoored)
        versions_notice(show.backdoored)


def _who(name: str, run: Run) -> str:
    rates = received_rates(run, state.store())
    measured = ", ".join(f"{name.upper()} {rate.percent()} (n = {rate.n:,})"
                         for name, rate in rates.rates().items()
                         if name != "ra") if rates else "not measured"
    return (f"{NAMES[name]}: {plain(run_name(run, state.store()))}; on the whole test set "
            f"{measured}.")


def missing_models(show: Show) -> None:
    """Name the model, of the two, that is missing, with a link to train it."""
    dataset = dataset_name(show.config.dataset)
    for name, attack in (("backdoored", show.config.attack), ("benign", "none")):
        if name not in show.runs:
            st.info(TEXT[f"no {name}"].format(dataset=dataset), icon=":material/search_off:")
            st.page_link("app/views/configure.py", icon=":material/tune:",
                         label=f"Train one: {attack_name(attack)}",
                         query_params=of_configure(replace(show.config, attack=attack)))


def _other_trigger(show: Show) -> None:
    from ngf_core.trained.gallery import parameters

    trained = show.trained
    if trained is not None and parameters(trained) != parameters(show.config):
        st.caption(TEXT["other trigger"].format(trained=_values(trained),
                                                shown=_values(show.config)))


def _values(config: ModelConfig) -> str:
    strength = "" if config.attack == PAINTED else f"{config.strength} strength"
    return ", ".join(filter(None, (strength, brief(config.parameters))))


def success(gallery: "Gallery", replies: "Replies") -> dict[str, Rate]:
    """How many of the measured images each model gives the attacker's label, by model."""
    return {NAMES[name].lower(): answers.agreeing(gallery.wanted)
            for name, answers in replies.get("triggered", {}).items()}


def _cards(show: Show, gallery: "Gallery", replies: "Replies") -> list[Card]:
    return [Card({version: getattr(gallery, version)[i] for version in replies},
                 {NAMES[name]: [(int(replies[version][name].labels[i]),
                                 float(replies[version][name].confidence[i]))
                                for version in replies]
                  for name in show.runs},
                 int(gallery.labels[i]), int(gallery.wanted[i])) for i in range(gallery.shown)]


def answer_table(gallery: "Gallery", replies: "Replies") -> pd.DataFrame:
    """The same as a table: one row per image, model and version."""
    names = gallery.class_names
    return pd.DataFrame([
        {"image": i + 1, "class": names[int(gallery.labels[i])],
         "attacker's label": names[int(gallery.wanted[i])], "model": NAMES[name],
         "shown": version, "answer": names[int(answers.labels[i])],
         "confidence": round(float(answers.confidence[i]), 4)}
        for i in range(gallery.shown) for version, by_model in replies.items()
        for name, answers in by_model.items()])
