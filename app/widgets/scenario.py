"""The scenarios of Start: one finished race for each data set and attack."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from app import state
from app.widgets.run_name import DATASETS, attack_name, origin
from ngf_core.runs import Run, RunStore


@dataclass(frozen=True)
class Scenario:
    """A finished race on a backdoored model."""

    run: Run
    dataset: str
    attack: str

    @property
    def label(self) -> str:
        """The data set and the attack, as people say them."""
        return f"{DATASETS.get(self.dataset, self.dataset)}, {attack_name(self.attack)}"


def scenarios(store: RunStore) -> dict[str, Scenario]:
    """Scenarios by address word, e.g. "signs-badnets": shipped races, else your own, newest first.

    Where several races share data set and attack, the one of seed 0 with the default settings
    that comes first is the scenario.
    """
    races = [run for run in store.list("purify") if run.state == "done"]
    shipped = [run for run in races if run.shipped]
    found: dict[str, Scenario] = {}
    for run in sorted(shipped or races, key=lambda run: run.config.seed):
        source = origin(run, store)
        if source and source.config.attack != "none":
            config = source.config
            found.setdefault(f"{config.dataset}-{config.attack}",
                             Scenario(run, config.dataset, config.attack))
    return dict(sorted(found.items(), key=_order))


def _order(item: tuple[str, Scenario]) -> tuple[bool, bool, str]:
    name, scenario = item
    return scenario.dataset != "signs", scenario.attack != "badnets", name


def scenario_picker(races: Mapping[str, Scenario]) -> Scenario:
    """The scenario chosen by pills bound to ?scenario=; an unknown one gives a toast."""
    state.warn_unknown("scenario", list(races))
    choice = state.choice_from_url("scenario", list(races), next(iter(races)))
    chosen = st.pills("Scenario", list(races), key=choice.widget, required=True,
                      format_func=lambda name: races[name].label, label_visibility="collapsed")
    state.write_url("scenario", chosen)
    return races[chosen]
