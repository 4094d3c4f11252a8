"""A class that follows the lesson: its code, its QR code, its votes, and who goes along."""

import time

import streamlit as st

from app import state
from app.read.lesson.class_room import class_rooms
from app.read.lesson.scene import Scene
from app.text import sections
from app.widgets.lesson.course import Course, go
from app.widgets.lesson.keys import heartbeat
from ngf_core.runs.server_settings import server_settings

TEXT = sections("lesson")
CLASS, MOVES, HELD, EVERY = "class", "moves", "lesson_hold", 2.0
CODE = 12  # pixels of a module of the QR code


def lead(course: Course) -> str | None:
    """The code of the class that this browser presents, opened on the first visit, and moved along
    unless it is held; None where none can be opened."""
    rooms, browser = class_rooms(), state.browser()
    code = st.query_params.get(CLASS, "")
    if not rooms.presents(code, browser):
        opened = rooms.open(browser, course.scene.name)
        state.write_url(CLASS, opened)
        if opened is None:
            st.caption(TEXT["full"])
            return None
        code = opened
    rooms.place(code)
    if not state.remembered(HELD):
        rooms.move(code, browser, course.scene.name, course.shown)
    return code


def end(code: str | None) -> None:
    """Forget the class and its votes, and go on alone; before the page is drawn."""
    if code:
        class_rooms().close(code, state.browser())
    state.leave_out((CLASS, MOVES, "present"))


def attend() -> str | None:
    """The code of the class of the address, which takes this session to the presenter's scene
    whenever that has moved; None where the address names no class.

    How often the class had moved when this page was drawn stands in the address too: what is drawn
    may be lost on its way, and the address tells what the browser has.
    """
    code = st.query_params.get(CLASS)
    if not code:
        return None
    place = class_rooms().place(code)
    if place is None:
        st.caption(TEXT["no class"])
        return None
    if st.query_params.get(MOVES) != str(place.moves):
        go(place.scene, place.shown)
        state.write_url(MOVES, str(place.moves))
    return code


def go_along(code: str) -> None:
    """Look every two seconds whether the presenter has moved on, and offer the way back to there.

    At the end of the page, since one that is interrupted before has to be drawn again.
    """
    state.remember(_drawn(code), st.query_params.get(MOVES))
    with st.container(horizontal=True, vertical_alignment="center", key="lesson_following"):
        st.markdown(f":material/co_present: {TEXT['following']}", width="content")
        st.button(TEXT["to the presenter"], key="lesson_look", type="tertiary",
                  on_click=state.leave_out, args=((MOVES,),))
        _looking(code)


@st.fragment(run_every=EVERY)
def _looking(code: str) -> None:
    place = class_rooms().place(code)
    # Not by the address: that of a question which was asked before a drawing is one behind it.
    if place is None or state.remembered(_drawn(code)) != str(place.moves):
        st.rerun()
    heartbeat(time.monotonic(), str(place.moves))


def _drawn(code: str) -> str:
    return f"moves:{code}"


def vote(code: str | None, scene: Scene, option: int) -> None:
    """Count an answer, where there is a class and its server has others than this browser."""
    if code and server_settings().shared:
        class_rooms().vote(code, state.browser(), scene.name, option)


@st.fragment(run_every=EVERY)
def answered(code: str, name: str) -> None:
    """How many have answered."""
    total = class_rooms().counts(code, name).total()
    st.markdown(f":material/how_to_vote: **{total}** answered" if total else
                ":material/how_to_vote: No answers yet")


@st.fragment(run_every=EVERY)
def votes(code: str | None, name: str, options: tuple[str, ...], right: int) -> None:
    """The options, the right one marked, each with the bar of those who chose it."""
    counts = class_rooms().counts(code or "", name)
    total = counts.total()
    with st.container(key="lesson_votes", gap=None):
        for number, option in enumerate(options, start=1):
            said = f"{counts[number]} of {total}: {option}" if total else option
            said = f":material/check_circle: **{said}**" if number == right else said
            if total:
                st.progress(counts[number] / total, text=said)
            else:
                st.markdown(said)


def address(code: str | None) -> str:
    """The address for the class: this page's, at the presenter's scene."""
    here = (st.context.url or "").partition("?")[0]
    return f"{here}?{CLASS}={code}" if code else here


@st.dialog("Come along", width="medium")
def join(code: str | None) -> None:
    """The address as a QR code and in letters."""
    here = address(code)
    with st.container(key="lesson_address"):
        st.markdown(TEXT["join" if server_settings().shared else "alone"])
        st.image(qr_code(here), width=480, alt=f"QR code of {here}")
        st.code(here, language=None, wrap_lines=True)


@st.cache_data(max_entries=64, show_spinner=False)
def qr_code(text: str) -> str:
    """The QR code as a data URL of a PNG, with the quiet zone that the standard asks for."""
    import segno

    return segno.make(text, micro=False, error="m").png_data_uri(scale=CODE, border=4)
