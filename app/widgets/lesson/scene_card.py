"""One scene: its text and its question at the left, its picture at the right."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

import streamlit as st

from app import state
from app.read.lesson.facts import Fact, facts, told
from app.read.lesson.scene import Scene
from app.text import sections
from app.widgets.controls.notice import guarded
from app.widgets.lesson.class_card import FROM, answered, vote, voted, votes
from app.widgets.lesson.course import Course, go
from app.widgets.lesson.pictures import picture
from app.widgets.lesson.stage import Stage
from ngf_core.runs.server_settings import server_settings

TEXT = sections("lesson")


def scene_card(course: Course, present: bool, code: str | None) -> None:
    """Draw the scene where the course is."""
    scene, known = course.scene, facts(course.scene.facts)
    left, right = st.columns([5, 6], gap="large")
    with left:
        _words(course, known, present, code)
    with right, st.container(key=f"lesson_picture_{scene.name}_{course.shown}"):
        st.fragment(guarded(picture))(scene.picture, Stage(course.shown, present, known))


def _words(course: Course, known: Mapping[str, Fact], present: bool, code: str | None) -> None:
    scene = course.scene
    options = tuple(told(option, known, hints=False) for option in scene.options)
    if not (course.shown and present):
        st.markdown(told(scene.opening, known))
    question = told(scene.question, known, hints=False)
    if not course.shown:
        _ask(scene, question, options, None if present else code)
        if present and code and server_settings().shared:
            answered(code, scene.name)
        return
    with st.container(key="lesson_turned_out"):
        st.markdown(f"*{question}*")
        if present:
            votes(code, scene.name, options, scene.right)
        else:
            _turned_out(options, state.remembered(_kept(scene)), scene.right)
    st.markdown(told(scene.in_hall if present else scene.answer, known))
    st.info(told(scene.home, known, hints=False), icon=":material/lightbulb:")
    if scene.further and not present:
        with st.expander("Read on", key="lesson_further"):
            st.markdown(told(scene.further, known))


def _kept(scene: Scene) -> str:
    return f"lesson_answer_{scene.name}"


def _ask(scene: Scene, question: str, options: Sequence[str], code: str | None) -> None:
    """The question, with what this session answered before."""
    given = state.remembered(_kept(scene)) or voted(code, scene)
    with st.container(key="lesson_guess"):
        chosen = st.radio(f"**{question}**", range(1, len(options) + 1), key=f"guess_{scene.name}",
                          index=None if given is None else given - 1,
                          format_func=lambda number: options[number - 1])
    if chosen is not None and chosen != given:
        state.remember(_kept(scene), chosen)
        vote(code, scene, chosen)
    if chosen is not None and voted(code, scene):
        st.caption(f":material/how_to_vote: {TEXT['counted']}")


def _turned_out(options: Sequence[str], given: int | None, right: int) -> None:
    """What turned out, and what was expected."""
    if right:
        mark = ":material/check_circle: You were right" if given == right else "The answer"
        st.markdown(f"{mark}: **{options[right - 1]}**")
    if given is not None and given != right:
        st.markdown(f"You said: {options[given - 1]}")


def controls(course: Course) -> None:
    """Back and next, and the place in the lesson."""
    back, following = course.back, course.next
    st.button("← Back", key="lesson_back", disabled=back is None, on_click=go,
              args=back or ("", False))
    label = "Show me →" if not course.shown else "Next →" if following else "The end"
    st.button(label, key="lesson_next", type="primary", disabled=following is None, on_click=go,
              args=following or ("", False))
    st.markdown(f"Scene {course.at + 1} of {len(course.scenes)}", width="content")


def live(scene: Scene) -> None:
    """A link to the page where this is computed instead of replayed, where there is one."""
    if not scene.live:
        return
    words = {name: value for name, value in scene.live.items() if name not in ("page", "takes")}
    words[FROM] = scene.name
    with st.container(key="lesson_live", width="content"):
        st.page_link(f"app/views/{scene.live['page']}.py", label="Try it live",
                     icon=":material/bolt:", query_params=words,
                     help=f"{TEXT['live']} {takes(scene)}")


def takes(scene: Scene) -> str:
    """How long that takes, where the scene says it."""
    return told(scene.live.get("takes", ""), facts(scene.facts), hints=False)


def notes_address(code: str | None) -> str:
    """Where the speaker's notes are, from this page."""
    return f"?{urlencode({'notes': '1'} | ({'class': code} if code else {}))}"
