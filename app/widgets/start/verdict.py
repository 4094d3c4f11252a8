"""The two questions over all measured models, answered in a sentence each and one picture."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app import state
from app.figures.verdict import (
    asr_text,
    height,
    marks,
    ratio_text,
    verdict_options,
    verdict_table,
)
from app.read.all_models import Left, all_models, left
from app.read.once import once
from app.text import sections
from app.theme import style
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from app.widgets.controls.layer_choice import layer_title
from ngf_core.attacks import ATTACKS
from ngf_core.config import PurifyConfig
from ngf_core.runs import Run

KEY, OPENED = "verdict", "verdict_race"
ORDER = ("ngf", "sgd", "finetune")
TEXT = sections("start")


def verdict(races: Sequence[Run]) -> None:
    """Draw the verdict over races on one data set, one per attack; nothing where none measured an
    ASR. A mark opens its race."""
    table = all_models(races)
    methods = [name for name in ORDER if name in set(table["method"])]
    if not methods:
        return
    found = {name: left(table, name) for name in methods}
    st.header(TEXT["verdict"], anchor=False)
    st.markdown(gone(found))
    if flat := flatter(found):
        st.markdown(flat)
    titles = {name: entry.title for name, entry in ATTACKS.items()}
    means = {name: (its.asr, its.ratio) for name, its in found.items()}
    shown = table[table["method"].isin(methods)]
    layers = {layer for race in races for layer in race.config_as(PurifyConfig).layers.values()}
    figure_card(once(verdict_options, shown, means, titles, dark=is_dark()), key=KEY,
                height=height(shown, len(methods)),
                caption=TEXT["verdict picture"].format(
                    models=shown["race"].nunique(), seeds=_counted(shown["seed"].nunique(), "seed"),
                    tuned=" and ".join(map(layer_title, sorted(layers)))),
                alt=f"{gone(found)} {flat}", table=verdict_table(shown, titles),
                filename="verdict", on_select=lambda: _pressed(shown))
    if race := state.remembered(OPENED):
        state.remember(OPENED, None)
        st.switch_page("app/views/race.py", query_params={"run": race})


def gone(found: dict[str, Left]) -> str:
    """Whether the backdoors are gone, by the mean ASR of each method."""
    parts = [f"{style(name).label} leaves an ASR of {asr_text(its.asr)}"
             for name, its in found.items()]
    best = next(iter(found.values())).asr
    word = "Yes" if best.high < 0.1 else "No" if best.low > 0.1 else "Not always"
    return f"**Backdoor gone? {word}.** On average {', '.join(parts)}."


def flatter(found: dict[str, Left]) -> str:
    """Whether the models are flatter, by the geometric mean of λ_max after over before."""
    measured = {name: its for name, its in found.items() if its.ratio.n}
    if not measured:
        return ""
    first = next(iter(measured.values())).ratio
    word = {1: "No, sharper", -1: "Yes", 0: "Not resolved"}[first.sign]
    parts = [f"{ratio_text(its.ratio)} times as large after {style(name).label}"
             for name, its in measured.items()]
    lost = [f" {style(name).label} destroyed the model of {_names(its.collapsed)}, which is left "
            "out here." for name, its in measured.items() if its.collapsed]
    return (f"**Flatter? {word}.** λ_max, the curvature in the steepest direction, is "
            f"{', '.join(parts)}.{''.join(lost)}")


def _counted(count: int, what: str) -> str:
    return f"one training {what}" if count == 1 else f"{count} training {what}s"


def _names(attacks: Sequence[str]) -> str:
    return " and ".join(ATTACKS[name].title if name in ATTACKS else name for name in attacks)


def _pressed(table: pd.DataFrame) -> None:
    """Keep the race of the mark that was pressed, until the page is drawn."""
    chosen = state.remembered(KEY)
    for series in chosen["selection"]["selected"] if chosen else ():
        method, _, measure = str(series["series_id"]).partition(" ")
        state.remember(OPENED, marks(table, method, measure)["race"][series["data_indices"][0]])
