"""Lesson: scenes with a question each, for oneself, for a class, and for a lecture hall."""

import streamlit as st

from app import state
from app.read.lesson.facts import facts, told
from app.read.lesson.presenting import presenting
from app.read.lesson.scene import scenes
from app.text import sections
from app.widgets.controls.notice import guarded
from app.widgets.lesson.class_card import (
    HELD,
    address,
    attend,
    going_along,
    join,
    lead,
    votes,
)
from app.widgets.lesson.course import Course, course
from app.widgets.lesson.keys import keys
from app.widgets.lesson.scene_card import controls, live, notes_address, scene_card

TEXT = sections("lesson")


def page() -> None:
    """The scene of the address, or its speaker's notes."""
    state.warn_unknown("present", ["1"])
    state.warn_unknown("notes", ["1"])
    if st.query_params.get("notes") == "1":
        _notes()
    elif presenting():
        _presented()
    else:
        _alone()


def _alone() -> None:
    """For one reader, who may follow a class."""
    code = attend()
    here = course(scenes())
    st.title(here.scene.title, anchor=False)
    scene_card(here, False, code)
    with st.container(horizontal=True, vertical_alignment="center"):
        controls(here)
        live(here.scene)
    if code:
        going_along(code)
    if here.next is None:
        st.success(TEXT["end"], icon=":material/school:")
    _contents(here)
    keys(False)


def _contents(here: Course) -> None:
    with st.expander("All scenes", key="lesson_contents"):
        for number, scene in enumerate(here.scenes, start=1):
            st.page_link("app/views/lesson.py", label=f"{number}. {scene.title}",
                         query_params={"scene": scene.name})
        st.page_link("app/views/lesson.py", label="For a lecture hall", icon=":material/slideshow:",
                     query_params={"scene": here.scene.name, "present": "1"})
        st.caption(TEXT["keys"])


def _presented() -> None:
    """For a hall, and for the class that follows."""
    here = course(scenes())
    code = lead(here)
    st.title(here.scene.title, anchor=False)
    scene_card(here, True, code)
    with st.container(horizontal=True, vertical_alignment="center"):
        controls(here)
        if st.button("Address (Q)", key="lesson_join", type="tertiary"):
            join(code)
        st.toggle("Hold the class (P)", key=HELD, help=TEXT["held"])
        live(here.scene)
        st.page_link("app/views/lesson.py", label="Leave", query_params={"scene": here.scene.name})
    keys(True, notes_address(code))


def _notes() -> None:
    """The speaker's notes of the scene that the class sees."""
    code = attend()
    here = course(scenes())
    known = facts(here.scene.facts)
    st.title(f"Notes: {here.scene.title}", anchor=False)
    st.markdown(told(here.scene.notes, known) or "This scene has no notes.")
    options = tuple(told(option, known, hints=False) for option in here.scene.options)
    if here.scene.right:
        st.markdown(f"**The answer:** {options[here.scene.right - 1]}")
    st.markdown(f"**To take home:** {told(here.scene.home, known, hints=False)}")
    if here.next and here.next[0] != here.scene.name:
        st.markdown(f"**Next:** {here.scenes[here.at + 1].title}")
    if code:
        votes(code, here.scene.name, options, True)
        going_along(code)
        st.caption(f"The class: {address(code)}")


guarded(page)()
