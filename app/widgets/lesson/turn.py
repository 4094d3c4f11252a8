"""Where the page is scrolled to when the lesson goes on."""

from importlib.resources import files

import streamlit as st

# A key makes the browser frame the whole page, which takes no input of its own.
_CSS = """.st-key-lesson_turn { display: none; }
html.lesson [data-testid=stMain]:focus-visible { box-shadow: none; }"""
_turn = st.components.v2.component(
    "ngf_lab_lesson_turn", js=(files(__package__) / "turn.js").read_text(encoding="utf-8"),
    css=_CSS, isolate_styles=False)


def turn(scene: str, shown: bool) -> None:
    """Scroll to the top of a scene that is new, and to the question whose answer is. It draws
    nothing."""
    _turn(key="lesson_turn", data={"scene": scene, "shown": shown})
