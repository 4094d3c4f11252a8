"""The two questions over all measured models, answered in a sentence each and one picture."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app import state
from app.figures.origin import of_runs
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
from app.widgets.race.outcome import CURED
from app.widgets.runs.run_name import methods_on_layers
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
    first = races[0].config_as(PurifyConfig)
    alike = {methods_on_layers(race.config_as(PurifyConfig)) for race in races}
    figure_card(once(verdict_options, shown, means, titles, dark=is_dark()), key=KEY,
                height=height(shown, len(methods)),
                caption=TEXT["verdict picture"].format(
                    models=shown["race"].nunique(), seeds=_counted(shown["seed"].nunique(), "seed"),
                    tuned=methods_on_layers(first) if len(alike) == 1 else "various layers",
                    images=_images(shown)),
                alt=f"{gone(found)} {flat}", table=verdict_table(shown, titles),
                origin=of_runs(races, "python -m ngf_core zoo build"), filename="verdict",
                lazy=True, on_select=lambda: _pressed(shown))
    if race := state.remembered(OPENED):
        state.remember(OPENED, None)
        st.switch_page("app/views/race.py", query_params={"run": race})


def gone(found: dict[str, Left]) -> str:
    """Whether the backdoors are gone, by the mean ASR of each method: yes where all of its interval
    lies below `CURED`, no where all of it lies above."""
    parts = []
    for name, its in found.items():
        word = "yes" if its.asr.high < CURED else "no" if its.asr.low > CURED else "not always"
        parts.append(f"{style(name).label}: **{word}**, ASR {asr_text(its.asr)}")
    return f"**Backdoor gone?** {'; '.join(parts)}."


def flatter(found: dict[str, Left]) -> str:
    """Whether the models are flatter, by the geometric mean of λ_max after over before."""
    measured = {name: its for name, its in found.items() if its.ratio.n}
    if not measured:
        return ""
    words = {1: "no, sharper", -1: "yes", 0: "not resolved"}
    parts = [f"{style(name).label}: **{words[its.ratio.sign]}**, λ_max {ratio_text(its.ratio)} "
             "times as large" for name, its in measured.items()]
    lost = [f" {style(name).label} destroyed the model of {_names(its.collapsed)}, which is left "
            "out here." for name, its in measured.items() if its.collapsed]
    return f"**Flatter, on these images?** {'; '.join(parts)}.{''.join(lost)}"


def _images(table: pd.DataFrame) -> str:
    """What λ_max rests on, and how large its own error is; "" where it was not measured."""
    known = table.dropna(subset="ratio")
    if known.empty:
        return ""
    counts = " or ".join(f"{count:,}" for count in sorted(known["images_of_lambda_max"].unique()))
    errors = (known["lambda_max_error"] / known["lambda_max"]).dropna()
    size = f", whose standard error is {100 * errors.median():.0f} % of the value in the median" \
        if len(errors) else ""
    return TEXT["images"].format(counts=counts, size=size)


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
