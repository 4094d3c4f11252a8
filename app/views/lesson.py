"""Lesson: scenes with a question each, for oneself, for a class, and for a lecture hall."""

import streamlit as st

from app import state
from app.read.lesson.facts import facts, told
from app.read.lesson.presenting import presenting
from app.read.lesson.scene import readable
from app.text import sections
from app.widgets.controls.notice import guarded
from app.widgets.lesson.class_card import (
    HELD,
    address,
    attend,
    end,
    go_along,
    join,
    lead,
    pace,
    votes,
    where,
)
from app.widgets.lesson.contents import contents, to_exercises, to_hall
from app.widgets.lesson.course import Course, course
from app.widgets.lesson.exercise_cards import exercise_cards
from app.widgets.lesson.keys import hand_on, keys
from app.widgets.lesson.scene_card import controls, live, notes_address, scene_card, takes
from app.widgets.lesson.turn import turn

TEXT = sections("lesson")


def page() -> None:
    """The scene of the address, or its speaker's notes."""
    state.warn_unknown("present", ["1"])
    state.warn_unknown("notes", ["1"])
    state.warn_unknown("part", ["exercises"])
    if st.query_params.get("part") == "exercises":
        _exercises()
    elif st.query_params.get("notes") == "1":
        _notes()
    elif presenting():
        _presented()
    else:
        _alone()


def _course() -> Course:
    """Where the lesson is; a file that is no scene is named and left out."""
    found, faults = readable()
    for fault in faults:
        st.error(fault, icon=":material/edit_document:")
    return course(found)


def _alone() -> None:
    """For one reader, who may follow a class."""
    code = attend()
    here = _course()
    st.title(here.scene.title, anchor=False)
    if code:
        where(code, here)
    guarded(scene_card)(here, False, code)
    with st.container(horizontal=True, vertical_alignment="center", key="lesson_bar"):
        controls(here)
        live(here.scene)
    if here.at == 0:
        st.caption(f"{TEXT['intro']} {TEXT['keys']}")
        if not code:
            to_hall(here, "lesson_hall")
    if here.next is None:
        st.success(TEXT["end"], icon=":material/school:")
        to_exercises("To the exercises", "lesson_go_on", "primary")
    contents(here)
    if code:
        go_along(code)
    keys(here.word, room=code)
    turn(here.scene.name, here.shown)


def _exercises() -> None:
    st.title("Exercises", anchor=False)
    st.button("Back to the lesson", key="lesson_from_exercises", type="tertiary",
              icon=":material/arrow_back:", on_click=state.write_url, args=("part", None))
    exercise_cards()
    turn("exercises", False)


def _presented() -> None:
    """For a hall, and for the class that follows."""
    here = _course()
    code = lead(here)
    st.title(here.scene.title, anchor=False)
    guarded(scene_card)(here, True, code)
    with st.container(horizontal=True, vertical_alignment="center", key="lesson_bar"):
        controls(here)
        if st.button("Address (Q)", key="lesson_join", type="tertiary"):
            join(code)
        held = st.toggle("Hold the class (P)", key=HELD, help=TEXT["held"])
        with st.popover("Keys", type="tertiary"):
            st.markdown(f"{TEXT['keys']} {TEXT['hall keys']}")
        with st.popover("End", type="tertiary"):
            st.markdown(TEXT["end the class"])
            st.button("End the class", key="lesson_end", on_click=end, args=(code,))
        live(here.scene)
        if held:
            st.badge("Held", icon=":material/pause:", color="orange")
        if here.next is None:
            st.markdown(TEXT["end of a lecture"], width="content")
    keys(here.word, True, code, notes_address(code))
    turn(here.scene.name, here.shown)


def _notes() -> None:
    """The speaker's notes of the scene that the class sees."""
    code = attend()
    here = _course()
    known = facts(here.scene.facts)
    st.title(f"Notes: {here.scene.title}", anchor=False)
    if code:
        pace(code, here)
    st.markdown(told(here.scene.notes, known) or "This scene has no notes.")
    options = tuple(told(option, known, hints=False) for option in here.scene.options)
    votes(code, here.scene.name, options, here.scene.right)
    st.markdown(told(here.scene.answer, known))
    st.markdown(f"**To take home:** {told(here.scene.home, known, hints=False)}")
    if here.scene.live:
        st.markdown(f"**Live (L):** {TEXT['live']} {takes(here.scene)}")
    if here.next and here.next[0] != here.scene.name:
        st.markdown(f"**Next:** {here.scenes[here.at + 1].title}")
    if code:
        st.caption(f"The class: {address(code)}")
        go_along(code, TEXT["notes keys"])
        hand_on(code)


guarded(page)()
