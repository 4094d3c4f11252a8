"""The lesson by keys and by swipes, the black screen, and the look of a lecture hall."""

from importlib.resources import files

import streamlit as st

_HERE = files(__package__)
_css, _js = ((_HERE / f"keys.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
_heartbeat = st.components.v2.component(
    "ngf_lab_lesson_heartbeat", js=(_HERE / "heartbeat.js").read_text(encoding="utf-8"))
_keys = st.components.v2.component("ngf_lab_lesson_keys", css=_css, js=_js, isolate_styles=False)


def keys(at: str, present: bool = False, room: str | None = None, notes: str = "") -> None:
    """Let keys and swipes press the lesson's buttons, which are there for the mouse too. It draws
    nothing. `at` tells one drawn scene from the next, so that a second press waits for the first.
    `room` is the code of the class; `notes` the address of the speaker's notes, which N opens in a
    second window."""
    _keys(key="lesson_keys", data={"at": at, "present": present, "room": room, "notes": notes,
                                   "speaker": False}, on_scheme_change=lambda: None)


def hand_on(room: str) -> None:
    """Let the keys of the speaker's notes work in the window that shows the class's scenes to the
    hall, in the same browser. It draws nothing."""
    _keys(key="lesson_keys", data={"room": room, "speaker": True})


def heartbeat(beat: float, moves: str) -> None:
    """Tell the browser, by another `beat`, that the server still asks, and how often the class has
    moved; where it no longer asks, or the page stays behind, the browser presses the button
    `lesson_look`. It draws nothing."""
    _heartbeat(key="lesson_heartbeat", data={"beat": beat, "moves": moves})
