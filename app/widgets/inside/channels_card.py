"""The channels that the trigger switches on, before and after."""

import streamlit as st

from app.figures import channels as figures
from app.figures.inside import heading
from app.figures.origin import Origin
from app.text import sections
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from ngf_core.inside.models import ORIGINALS, Inside

TEXT = sections("inside")
SHOWN = 10


def channels_card(inside: Inside, after: str | None, origin: Origin) -> None:
    """The most shifted channels of the received model and of the one `after`."""
    st.header(TEXT["channels title"], anchor=False)
    models = ["before", *([after] if after else [])]
    shifts = {model: found for model in models if (found := inside.shift(model)) is not None}
    paired = "paired" if ORIGINALS in inside.images else "unpaired"
    n = len(inside.images["triggered"])
    told = "; ".join(f"{heading(model)}: channel {top[0]} by {of.value[top[0]]:.1f}"
                     for model, of in shifts.items() if (top := of.on(1)))
    figure_card(figures.channels(shifts, SHOWN, dark=is_dark()), key="inside_channels",
                caption=TEXT["channels"].format(layer=inside.layer, n=n, pairs=TEXT[paired]),
                table=figures.channels_table(shifts), origin=origin.on(f"{n} triggered images"),
                filename=f"channels-{inside.layer}-{origin.facts['Run']}",
                alt=f"Channels of {inside.layer} that the trigger switches on most. {told}.")
