"""The exercises on the page: each with what is needed for it, and a check of the answer."""

import streamlit as st

from app import state
from app.read.lesson.exercise import Exercise, exercises
from app.read.lesson.facts import facts, told
from app.read.lesson.handout import handout
from app.read.lesson.scene import scenes
from app.text import sections
from app.widgets.controls.notice import guarded
from app.widgets.lesson.exercise_data import checked_layer, checked_pixels, shown

TEXT = sections("lesson")
SPECIAL = {"layers": checked_layer, "pixels": checked_pixels}


def exercise_cards() -> None:
    """All exercises, how many are solved, and the handout."""
    found = exercises()
    st.markdown(TEXT["exercises"])
    place = st.empty()
    level = ""
    for exercise in found:
        if exercise.level != level:
            level = exercise.level
            st.header(level, anchor=False)
        with st.container(border=True, key=f"exercise_{exercise.number}"):
            st.fragment(guarded(_card))(exercise)
    solved = sum(bool(state.remembered(_kept(one))) for one in found)
    place.progress(solved / len(found), text=f"{solved} of {len(found)} solved")
    st.download_button("Handout to print", lambda: handout(scenes(), found).encode(),
                       "ngf-lab-lesson.html", "text/html", key="handout", on_click="ignore",
                       icon=":material/print:")
    st.caption(TEXT["handout"])


def _kept(exercise: Exercise) -> str:
    return f"solved_{exercise.number}"


def _card(exercise: Exercise) -> None:
    known = facts(exercise.facts)
    mark = " :material/check_circle:" if state.remembered(_kept(exercise)) else ""
    st.subheader(f"{exercise.number}. {exercise.title}{mark}", anchor=False)
    st.markdown(told(exercise.task, known))
    if exercise.picture in SPECIAL:
        verdict = SPECIAL[exercise.picture](exercise)
    else:
        shown(exercise)
        verdict = _choice(exercise) if exercise.options else _number(exercise)
    if verdict is not None:
        right, words = verdict
        (st.success if right else st.warning)(words)
        if right and not state.remembered(_kept(exercise)):
            state.remember(_kept(exercise), True)
            st.rerun()
    with st.expander("Hint", key=f"hint_{exercise.number}"):
        st.markdown(exercise.hint)


def _choice(exercise: Exercise) -> tuple[bool, str] | None:
    chosen = st.radio("Your answer", exercise.options, index=None, key=f"answer_{exercise.number}",
                      label_visibility="collapsed")
    if chosen is None:
        return None
    right = chosen == exercise.answer
    return right, f"Right: {chosen}. {exercise.why}" if right else "Not this one. Look again."


def _number(exercise: Exercise) -> tuple[bool, str] | None:
    wanted = facts(exercise.facts)[exercise.fact]
    value = 100 * wanted.value if exercise.unit == "%" else wanted.value
    given = st.number_input(f"Your answer, {exercise.unit}", value=None, step=None, format="%g",
                            key=f"answer_{exercise.number}", width=240)
    if given is None:
        return None
    right = abs(given - value) <= exercise.tolerance + 1e-9
    return right, f"Right: {wanted}. {exercise.why}" if right else (
        "Too large." if given > value else "Too small.")
