"""The scenarios of Start: one finished race per data set and attack."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from app import state
from app.widgets.runs.run_name import attack_name, dataset_name, trained_as
from ngf_core.config import PurifyConfig, flat
from ngf_core.runs import Run, RunStore


@dataclass(frozen=True)
class Scenario:
    """A finished race on a backdoored model."""

    run: Run
    dataset: str
    attack: str

    @property
    def label(self) -> str:
        """The titles of the data set and the attack."""
        return f"{dataset_name(self.dataset)}, {attack_name(self.attack)}"


def scenarios(store: RunStore) -> dict[str, Scenario]:
    """Scenarios by address word, e.g. "signs-badnets": shipped races, else your own, newest first.

    Where several races share data set and attack, the one with the fewest settings that differ from
    their defaults is the scenario, then the one with the lowest seed, then the newest.
    """
    races = [run for run in store.list("purify") if run.state == "done"]
    shipped = [run for run in races if run.shipped]
    found: dict[str, Scenario] = {}
    for run in sorted(shipped or races, key=_departures):
        model = trained_as(run, store)
        if model and model.attack != "none":
            found.setdefault(f"{model.dataset}-{model.attack}",
                             Scenario(run, model.dataset, model.attack))
    return dict(sorted(found.items(), key=_order))


def _departures(run: Run) -> tuple[int, int]:
    config = run.config_as(PurifyConfig)
    usual = PurifyConfig(source=config.source, seed=config.seed)
    return len(flat(config).items() - flat(usual).items()), config.seed


def _order(item: tuple[str, Scenario]) -> tuple[bool, bool, str]:
    name, scenario = item
    return scenario.dataset != "signs", scenario.attack != "badnets", name


def scenario_picker(races: Mapping[str, Scenario]) -> Scenario:
    """The scenario chosen by pills bound to ?scenario=; an unknown one gives a toast."""
    state.warn_unknown("scenario", list(races))
    choice = state.choice_from_url("scenario", list(races), next(iter(races)))
    seeded = state.remembered(choice.widget)
    chosen = st.pills("Scenario", list(races), default=seeded, key=choice.widget, required=True,
                      format_func=lambda name: races[name].label,
                      label_visibility="collapsed") or seeded
    state.write_url("scenario", chosen)
    return races[chosen]
