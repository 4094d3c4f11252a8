"""Confusion before and after."""

import streamlit as st

from app.figures import confusion as figures
from app.figures.inside import attackers_label, heading
from app.figures.origin import Origin
from app.text import sections
from app.widgets.controls.address import choose
from app.widgets.controls.appearance import is_dark
from app.widgets.controls.figure_card import figure_card
from ngf_core.inside.models import Inside

TEXT = sections("inside")
PARTS = {"triggered": "Triggered", "clean": "Clean"}


def confusion_card(inside: Inside, after: str | None, origin: Origin) -> None:
    """Counts by true label and answer, on the clean or the triggered images."""
    st.header(TEXT["confusion title"], anchor=False)
    there = {part: title for part, title in PARTS.items() if part in inside.images}
    part = choose("on", "On images", there, next(iter(there)))
    models = ["before", *([after] if after else [])]
    counts = {model: found for model in models
              if (found := inside.confusion(model, part)) is not None}
    if not counts:
        st.info(TEXT["no truth"], icon=":material/search_off:")
        return
    n = int(counts["before"].sum())
    right = "; ".join(f"{heading(model)}: {int(of.trace())} of {n} get their true label"
                      + (f", {inside.obeying(model)} the attacker's" if part == "triggered" else "")
                      for model, of in counts.items())
    label = attackers_label(inside)
    bold = "" if label is None else f" {TEXT['bold']}"
    figure_card(figures.matrices(counts, inside.class_names, label, dark=is_dark()),
                key="inside_confusion", origin=origin.on(f"{n} {part} images"),
                filename=f"confusion-{part}-{origin.facts['Run']}",
                caption=f"{right}. {TEXT['confusion'].format(n=n, part=part, bold=bold)}",
                table=figures.matrices_table(counts, inside.class_names),
                alt=f"Confusion matrices on {n} {part} images. {right}.")
