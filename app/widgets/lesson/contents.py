"""The ways within the lesson: to every scene, to the exercises, to the lecture hall."""

from typing import Literal

import streamlit as st

from app import state
from app.text import sections
from app.widgets.lesson.course import Course, go

TEXT = sections("lesson")


# The ways within the lesson are buttons: after a link to the page itself the browser keeps the old
# address, and the next full rerun goes back to it.
def contents(here: Course) -> None:
    """All scenes, the exercises, the way to the hall, and the keys, in a box that is closed."""
    with st.expander("All scenes", key="lesson_contents"), st.container(gap=None):
        for number, scene in enumerate(here.scenes, start=1):
            st.button(f"{number}. {scene.title}", key=f"lesson_scene_{scene.name}", type="tertiary",
                      on_click=go, args=(scene.name, False))
        to_exercises("Exercises", "lesson_to_exercises")
        to_hall(here, "lesson_to_hall")
        st.caption(f"{TEXT['keys']} {TEXT['hall keys']}")


def to_hall(here: Course, key: str) -> None:
    """The way to the same scene as a lecture hall sees it."""
    st.button("For a lecture hall", key=key, type="tertiary", icon=":material/slideshow:",
              on_click=state.write_address,
              args=({"scene": here.scene.name, "shown": None, "present": "1"},))


def to_exercises(label: str, key: str, kind: Literal["primary", "tertiary"] = "tertiary"
                 ) -> None:
    """The way to the exercises."""
    st.button(label, key=key, type=kind, icon=":material/assignment:",
              on_click=state.write_url, args=("part", "exercises"))
