"""Which layers a race tunes: chosen by rule, one, a block, all, or several typed in."""

from collections.abc import Sequence

import streamlit as st

from app import state
from ngf_core.errors import ConfigError
from ngf_core.models.layer_names import ALL, AUTO, LAST, blocks, named_layers


def layer_choice(names: Sequence[str], help: str) -> str:
    """Draw the select box for a network whose layers are `names`; the text that names those chosen,
    as `PurifyConfig.layer` takes it."""
    labels = {LAST: "The last layer", AUTO: "Auto: chosen on the clean images"}
    labels |= {name: name for name in names}
    labels |= {block: f"{block}: the block's layers" for block in blocks(names)}
    labels[ALL] = "All layers"
    typed_in = state.remembered("form_layer") or LAST
    labels.setdefault(typed_in, typed_in)
    return st.selectbox("Tuned layer", list(labels), key="form_layer", help=help,
                        accept_new_options=True, format_func=lambda text: labels.get(text, text))


def check_layer(names: Sequence[str], text: str) -> ConfigError | None:
    """The error in a typed-in text; None where it names layers of the network."""
    try:
        if text != AUTO:
            named_layers(names, text)
    except ConfigError as error:
        return error
    return None


def layer_title(text: str) -> str:
    """The layers that `PurifyConfig.layer` names, as a noun: "layer conv1", "all layers"."""
    if text == AUTO:
        return "a layer chosen on the clean images"
    if text == ALL:
        return "all layers"
    if text == LAST:
        return "the last layer"
    several = text.split(",")
    return f"layer{'s' if len(several) > 1 else ''} {', '.join(part.strip() for part in several)}"
