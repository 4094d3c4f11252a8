"""The bar on every page that says which model it is about, and offers the others."""

from collections.abc import Mapping

import streamlit as st

from app import state
from app.read.model_in_hand import WIDGET, in_hand, model_of, put_away, take
from app.text import define_all
from app.widgets.controls.address import select
from app.widgets.model.model_of_attack import model_by_attack
from app.widgets.runs.run_name import methods_on_layers, model_name, network_name
from app.widgets.start.scenario import scenarios
from ngf_core.config import PurifyConfig
from ngf_core.errors import NGFError
from ngf_core.runs import Run, RunStore
from ngf_core.runs.files import MODEL_KINDS
from ngf_core.runs.lineage import received_rates

# Pages that open as the model in hand was made, and the one where an attack names its model.
MADE_ALIKE = ("attacks", "configure")
BY_ATTACK = "attacks"


def model_bar(page: str) -> None:
    """Draw the bar of a page, named as in its address; nothing where there is no model yet.

    The model in hand is the one of the run in the address (?run=, ?source=, ?scenario=), on Attacks
    also that of ?dataset= and ?attack=, else the one that was in hand before, on whatever page. At
    first it is that of the first scenario of Start, so that an own run never takes a shipped one's
    place unasked.
    """
    store = state.store()
    held = _models(store)
    model = _linked(store) or (model_by_attack(store) if page == BY_ATTACK else None) or in_hand()
    if model is not None and model not in held and (kept := _holder(model, store)) is not None:
        held = {model: kept} | held
    if not held:
        return
    take(model if model in held else _first(held, store))
    with st.container(horizontal=True, vertical_alignment="center", key="model_bar"):
        names = {model: model_name(run, store) for model, run in held.items()}
        chosen = select("Model", names, WIDGET, label_visibility="collapsed", width=420,
                        on_change=lambda: put_away(making=page in MADE_ALIKE))
        st.caption(_facts(held[chosen], chosen, store), width="content",
                   help=define_all("ACC", "ASR", "Tuned layer"))


def _models(store: RunStore) -> dict[str, Run]:
    """A run that holds each model, by the model: its training or import, else a finished race."""
    found: dict[str, Run] = {}
    for run in store.list():
        if run.state == "corrupt":
            continue
        if run.kind in MODEL_KINDS and (run.live or run.state == "done"):
            found[run.id] = run
        elif run.kind == "purify" and run.state == "done":
            found.setdefault(run.manifest["source"], run)
    return found


def _holder(model: str, store: RunStore) -> Run | None:
    """The run of a model that is not listed: one of the benchmark, or one that ended early."""
    try:
        return store.get(model)
    except NGFError:
        return None


def _first(held: Mapping[str, Run], store: RunStore) -> str:
    races = scenarios(store)
    first = model_of(next(iter(races.values())).run, store) if races else None
    return first if first is not None and first in held else next(iter(held))


def _linked(store: RunStore) -> str | None:
    """The model of the run in the address."""
    for word in ("source", "run"):
        try:
            if run_id := st.query_params.get(word):
                return model_of(store.find(run_id), store)
        except NGFError:
            continue
    scenario = st.query_params.get("scenario")
    race = scenarios(store).get(scenario) if scenario else None
    return None if race is None else model_of(race.run, store)


def _facts(holder: Run, model: str, store: RunStore) -> str:
    """What is known of the model, in a line: its network, rates, and how it was purified."""
    network = [name] if (name := network_name(holder, store)) else []
    if holder.live:
        return " · ".join([*network, "in training" if holder.kind == "train" else "being taken in"])
    try:
        rates = received_rates(holder, store)
    except NGFError:
        rates = None
    parts = network if rates is None else network + [
        f"{name.upper()} {rate.percent()} (n = {rate.n:,})"
        for name, rate in rates.rates().items() if name != "ra"]
    race = next((run for run in store.list("purify")
                 if run.state == "done" and run.manifest["source"] == model), None)
    if race is None:
        return " · ".join([*parts, "not purified yet"])
    return " · ".join([*parts, f"purified by {methods_on_layers(race.config_as(PurifyConfig))}"])
