"""Pointing at a line of the curves lights up its method in all charts of the page."""

from importlib.resources import files

import streamlit as st

_light = st.components.v2.component(
    "ngf_lab_pointed_line",
    js=(files(__package__) / "pointed_line.js").read_text(encoding="utf-8"))


def light_up_pointed_line() -> None:
    """Let the line that the mouse is at stand out with all lines of its name. It draws nothing."""
    _light(key="pointed_line")
