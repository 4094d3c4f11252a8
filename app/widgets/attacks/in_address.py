"""Settings of images and attack as the address of Attacks or Configure.

What the address of Attacks leaves open is as the model in hand was made; so it names the model, and
of the settings those that differ. The address of Configure names images and attack in full, since
it names no model.
"""

from dataclasses import replace

import streamlit as st

from app import state
from app.read.model_in_hand import holder_of_model, in_hand, made_in_hand
from app.widgets.controls.address import NONE
from ngf_core.config import TrainConfig
from ngf_core.errors import ConfigError
from ngf_core.runs.server_settings import server_settings

IMAGES = ("root", "limit", "size")
TRIGGER = ("strength", "parameters")


def opened_on() -> TrainConfig:
    """The settings that Attacks opens on: those of the model in hand, and the usual attack where it
    has none; the usual trigger where its own is none that can be made here any more."""
    made = made_in_hand()
    if made.attack == "none":
        return _usual(made, TrainConfig.attack)
    return made if _valid(made) else replace(made, strength=TrainConfig.strength, parameters="")


def _usual(made: TrainConfig, attack: str) -> TrainConfig:
    """The images of a model, with an attack as it usually is."""
    return replace(made, attack=attack, strength=TrainConfig.strength, parameters="",
                   poison_rate=TrainConfig.poison_rate)


def _valid(made: TrainConfig) -> bool:
    from ngf_core.attacks.attack import attack_class, changes_from

    try:
        attack = attack_class(made.attack)
        for name, value in changes_from(made.parameters).items():
            attack.check_change(name, value)
    except ConfigError:
        return False
    return made.strength in attack.strengths


def trigger_at_first(made: TrainConfig, attack: str, strength: str | None = None) -> TrainConfig:
    """The settings that an attack opens with, beside a model made as `made`, at the strength named
    or its own: with that model's trigger where that is of this attack and strength, and with its
    poison rate where that is of this attack."""
    if attack != made.attack:
        made = _usual(made, attack)
    if strength in (None, made.strength):
        return made
    return replace(made, strength=strength, parameters="")


def of_attacks(config: TrainConfig) -> dict[str, str]:
    """The address of Attacks that shows these settings, with the model in hand in hand."""
    made, holder = opened_on(), holder_of_model(in_hand())
    words = {} if holder is None else {"run": holder.id}
    words |= _different(config, made, ("dataset", "attack"))
    words |= _different(config, trigger_at_first(made, config.attack), ("strength",))
    return words | _different(config, trigger_at_first(made, config.attack, config.strength),
                              ("parameters", "poison_rate"))


def of_configure(config: TrainConfig) -> dict[str, str]:
    """The address of Configure with these settings of images and attack."""
    words = {"dataset": config.dataset, "attack": config.attack}
    rest = IMAGES if config.attack == "none" else (*IMAGES, "target", *TRIGGER, "poison_rate")
    return words | _different(config, TrainConfig(), rest)


def _different(config: TrainConfig, usual: TrainConfig, names: tuple[str, ...]) -> dict[str, str]:
    """Those of the named settings that are not the usual ones."""
    return {name: str(getattr(config, name)) or NONE for name in names
            if getattr(config, name) != getattr(usual, name)}


def configure_model_in_hand() -> None:
    """Let Configure begin with the images and the attack of the model in hand, as far as its
    address names none. The network stays the small one: it is trained within a minute or two."""
    named, made = st.query_params, made_in_hand()
    words: dict[str, str] = {}
    bound: dict[str, str | int] = {}
    if "dataset" not in named:
        words["dataset"] = made.dataset
        bound |= {name: getattr(made, name) for name in IMAGES
                  if name != "root" or not server_settings().for_many}
    if "attack" not in named:
        words["attack"] = made.attack
        if "strength" not in named and made.strength != TrainConfig.strength:
            words["strength"] = made.strength
        bound["parameters"] = made.parameters
    state.begin_with(words, bound)
