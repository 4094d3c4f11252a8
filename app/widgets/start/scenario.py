"""The scenarios of Start: one finished race per data set and attack."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from app import state
from app.read.model_in_hand import in_hand, model_of, put_away, take
from app.widgets.runs.run_name import attack_name, dataset_name, trained_as
from ngf_core.config import PurifyConfig, flat
from ngf_core.runs import Run, RunStore

WIDGET = "scenario_choice"
OWN = "in-hand"


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
    """The scenario chosen by pills bound to ?scenario=; an unknown one gives a toast.

    Choosing one takes its model in hand. Where the model in hand has a race of its own that is no
    scenario, that race is offered first, under ?run=; where it has none, that is said.
    """
    state.warn_unknown("scenario", list(races))
    offered = _with_in_hand(races)
    held = in_hand()
    here = next((name for name, race in offered.items()
                 if model_of(race.run, state.store()) == held), None)
    if here is None and held is not None:
        _not_raced(held)
    state.remember(WIDGET, here)
    alike = len({race.dataset for race in offered.values()}) == 1
    chosen = st.pills("Scenario", list(offered), default=here, key=WIDGET, required=True,
                      format_func=lambda name: attack_name(offered[name].attack) if alike
                      else offered[name].label, on_change=_take,
                      args=(offered,), label_visibility="collapsed") or here or next(iter(offered))
    state.write_url("scenario", chosen if here and chosen != OWN else None)
    state.write_url("run", offered[OWN].run.id if chosen == OWN else None)
    return offered[chosen]


def _with_in_hand(races: Mapping[str, Scenario]) -> dict[str, Scenario]:
    """The scenarios, after the newest finished race of the model in hand if it has none of them."""
    store = state.store()
    if any(model_of(race.run, store) == in_hand() for race in races.values()):
        return dict(races)
    for run in store.list("purify"):
        model = trained_as(run, store)
        if run.state == "done" and run.manifest["source"] == in_hand() and model is not None:
            return {OWN: Scenario(run, model.dataset, model.attack), **races}
    return dict(races)


def _take(offered: Mapping[str, Scenario]) -> None:
    model = model_of(offered[state.remembered(WIDGET)].run, state.store())
    put_away()
    if model is not None:
        take(model)


def _not_raced(model: str) -> None:
    st.info("No race was run on the model in hand yet. A shipped one is replayed below.",
            icon=":material/flag:")
    st.page_link("app/views/race.py", label="Race NGF against SGD on the model in hand",
                 icon=":material/flag:", query_params={"source": model})
