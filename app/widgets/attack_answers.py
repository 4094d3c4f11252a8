"""What the network sees: an attack's images before a backdoored and a benign model."""

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from app import state
from app.showcase import NAMES, Show, answers_of
from app.text import define, sections
from app.widgets.answer_cards import Card, answer_cards
from app.widgets.notice import model_notice, show_error
from app.widgets.result_tiles import interval
from app.widgets.run_name import attack_name, dataset_name, run_name
from ngf_core.config import TrainConfig
from ngf_core.errors import NGFError

if TYPE_CHECKING:
    from ngf_core.gallery import Answers, Gallery

TEXT = sections("attacks")


def attack_answers(show: Show, gallery: "Gallery") -> None:
    """Tiles with the rates over all measured images, cards of the images to look at, a table."""
    st.subheader(TEXT["sees"], anchor=False)
    missing_models(show)
    if not show.runs:
        return
    try:
        said = {"clean": answers_of(show, "clean")}
        if gallery.triggered is not None:
            said["triggered"] = answers_of(show, "triggered")
    except NGFError as error:
        show_error(error)
        return
    _other_trigger(show)
    if "triggered" in said:
        _tiles(show, gallery, said["triggered"])
    st.markdown(TEXT["sees text"])
    answer_cards(_cards(show, gallery, said), gallery.class_names, columns=4, key="answers")
    table = answer_table(show, gallery, said)
    with st.expander(f"Table ({len(table)} rows)", key="answers_table_box"):
        st.dataframe(table, hide_index=True, key="answers_table")
        st.download_button("Download CSV", lambda: table.to_csv(index=False).encode(),
                           file_name=f"answers-{show.config.dataset}-{show.config.attack}.csv",
                           mime="text/csv", key="answers_csv", on_click="ignore")
    for name, run in show.runs.items():
        st.caption(f"{NAMES[name]}: {run_name(run, state.store())}.")
    if show.backdoored:
        model_notice(show.backdoored)


def missing_models(show: Show) -> None:
    """Say which of the two models is not here, and where to train it."""
    dataset = dataset_name(show.config.dataset)
    for name, attack in (("backdoored", show.config.attack), ("benign", "none")):
        if name not in show.runs:
            st.info(TEXT[f"no {name}"].format(dataset=dataset), icon=":material/search_off:")
            st.page_link("app/views/configure.py", icon=":material/tune:",
                         label=f"Train one: {attack_name(attack)}", query_params={
                             "dataset": show.config.dataset, "attack": attack})


def _other_trigger(show: Show) -> None:
    if show.backdoored is None:
        return
    trained = show.backdoored.config
    if (trained.strength, trained.parameters) != (show.config.strength, show.config.parameters):
        st.caption(TEXT["other trigger"].format(trained=_values(trained),
                                                shown=_values(show.config)))


def _values(config: TrainConfig) -> str:
    return f"{config.strength} strength" + (f", {config.parameters}" if config.parameters else "")


def _tiles(show: Show, gallery: "Gallery", said: "dict[str, Answers]") -> None:
    with st.grid(columns=4, min_column_width=200, key="answer_tiles"):
        for name in show.runs:
            rate = said[name].agreeing(gallery.wanted)
            counts = {"hits": rate.hits, "n": rate.n}
            st.metric(f"{NAMES[name]}: attacker's label", f"{rate.hits} of {rate.n}", border=True,
                      delta=interval(counts), delta_color="off", delta_arrow="off",
                      help=f"{define('ASR')}\n\n{define('Interval')}")


def _cards(show: Show, gallery: "Gallery", said: "dict[str, dict[str, Answers]]") -> list[Card]:
    return [Card({version: getattr(gallery, version)[i] for version in said},
                 {NAMES[name]: [(int(said[version][name].labels[i]),
                                 float(said[version][name].confidence[i])) for version in said]
                  for name in show.runs},
                 int(gallery.labels[i]), int(gallery.wanted[i])) for i in range(gallery.shown)]


def answer_table(show: Show, gallery: "Gallery", said: "dict[str, dict[str, Answers]]"
                 ) -> pd.DataFrame:
    """The same as a table: one row an image, model and version."""
    names = gallery.class_names
    return pd.DataFrame([
        {"image": i + 1, "class": names[int(gallery.labels[i])],
         "attacker's label": names[int(gallery.wanted[i])], "model": NAMES[name],
         "shown": version, "answer": names[int(answers.labels[i])],
         "confidence": round(float(answers.confidence[i]), 4)}
        for i in range(gallery.shown) for version, by_model in said.items()
        for name, answers in by_model.items()])
