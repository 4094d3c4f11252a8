"""The lesson by keys and by swipes, the black screen, and the look of a lecture hall."""

from importlib.resources import files

import streamlit as st

_HERE = files(__package__)
_css, _js = ((_HERE / f"keys.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
_heartbeat = st.components.v2.component(
    "ngf_lab_lesson_heartbeat", js=(_HERE / "heartbeat.js").read_text(encoding="utf-8"))
_keys = st.components.v2.component("ngf_lab_lesson_keys", css=_css, js=_js, isolate_styles=False)


def keys(present: bool, notes: str = "") -> None:
    """Let keys and swipes press the lesson's buttons, which are there for the mouse too. It draws
    nothing. `notes` is the address of the speaker's notes, which N opens in a second window."""
    _keys(key="lesson_keys", data={"present": present, "notes": notes})


def heartbeat(beat: float, moves: str) -> None:
    """Tell the browser, by another `beat`, that the server still asks, and how often the class has
    moved; where it no longer asks, or the page stays behind, the browser presses the button
    `lesson_look`. It draws nothing."""
    _heartbeat(key="lesson_heartbeat", data={"beat": beat, "moves": moves})
