"""The methods' own settings in a race's form, one part per method that races."""

import dataclasses
from collections.abc import Sequence

import streamlit as st

from app.theme import style
from app.widgets.controls.config_form import ConfigForm
from ngf_core.config.methods import Methods
from ngf_core.purify.registry import PURIFIERS
from ngf_core.purify.settings import MethodSettings

LABELS = {
    "kl_bound": "First KL bound", "lr": "Learning rate", "step_size": "Step size",
    "fisher": "Fisher matrix", "eta_f": "Weight of Tr F", "eta_r": "Weight of the pull",
}


def own_address(method: str, setting: str = "") -> str:
    """The parameter of the page's address that holds a setting of a method."""
    return f"race_{method}_{setting}"


def ask_methods(names: Sequence[str], layer: str) -> Methods | None:
    """Draw the controls of the methods `names`, those of which with a `layer` setting tune `layer`;
    None where a value cannot be used, with the error shown at its field."""
    given = [_ask(name, layer) for name in names]
    usable = tuple(own for own in given if own is not None)
    return usable if len(usable) == len(given) else None


def _ask(name: str, layer: str) -> MethodSettings | None:
    cls = PURIFIERS[name].settings
    form = ConfigForm(cls, prefix=own_address(name))
    fields = [field.name for field in dataclasses.fields(cls)]
    if "layer" in fields:
        form.give("layer", layer)
        fields.remove("layer")
    if fields:
        st.markdown(f"**{style(name).label}**")
    with st.grid(columns=3, min_column_width=200, key=f"race_own_{name}"):
        for field in fields:
            with st.container():
                form.ask(field, LABELS.get(field, field.replace("_", " ").capitalize()))
    return form.read()
