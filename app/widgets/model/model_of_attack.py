"""The model that stands for an attack: what Attacks takes in hand when another attack is chosen."""

import streamlit as st

from app import state
from app.read.model_in_hand import in_hand, made_in_hand, model_of, put_away, take
from app.widgets.start.scenario import scenarios
from ngf_core.attacks import EVERY_ATTACK
from ngf_core.config import TrainConfig
from ngf_core.data import DATASETS
from ngf_core.runs import RunStore


def model_of_attack(dataset: str, attack: str, store: RunStore) -> str | None:
    """The model in hand, where it is of this data set and attack; else that of their scenario on
    Start, a shipped one, the newest of one's own; None where there is none."""
    made = made_in_hand()
    if in_hand() is not None and (made.dataset, made.attack) == (dataset, attack):
        return in_hand()
    if (race := scenarios(store).get(f"{dataset}-{attack}")) is not None:
        return model_of(race.run, store)
    trained = [run for run in store.list("train") if run.state == "done"]
    made_so = [run for run in trained
               if (its := run.config_as(TrainConfig)).dataset == dataset and its.attack == attack]
    return min(made_so, key=lambda run: not run.shipped).id if made_so else None


def model_by_attack(store: RunStore) -> str | None:
    """The model of the data set and the attack in the address, which may name one of the two; None
    where it names neither."""
    words, made = st.query_params, made_in_hand()
    dataset, attack = words.get("dataset"), words.get("attack")
    dataset = dataset if dataset in DATASETS else None
    attack = attack if attack in EVERY_ATTACK else None
    if dataset is None and attack is None:
        return None
    return model_of_attack(dataset or made.dataset, attack or made.attack, store)


def take_model_of_choice() -> None:
    """Take the model of the data set and attack that were chosen on Attacks in hand, where there is
    one; what the address said of another goes."""
    model = model_of_attack(state.remembered("dataset_choice"), state.remembered("attack_choice"),
                            state.store())
    if model is not None and model != in_hand():
        put_away(making=True)
        take(model)
