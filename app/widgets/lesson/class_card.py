"""A class that follows the lesson: its code, its QR code, its votes, and who goes along."""

import time
from urllib.parse import urlsplit

import streamlit as st

from app import state
from app.read.lesson.class_room import Place, class_rooms
from app.read.lesson.scene import Scene
from app.text import sections
from app.widgets.lesson.course import SHOWN, Course, go
from app.widgets.lesson.keys import heartbeat
from ngf_core.runs.server_settings import server_settings

TEXT = sections("lesson")
CLASS, MOVES, HELD, EVERY = "class", "moves", "lesson_hold", 2.0
FROM = "lesson"  # on a page that the lesson led to: the scene
ENDED = "lesson_ended"  # the class that this session has ended
LECTURE = "lesson_lecture"  # the address by which this session takes part in a class
CODE = 12  # pixels of a module of the QR code
OWN = ("localhost", "127.0.0.1", "::1")


def lead(course: Course) -> str | None:
    """The code of the class that this browser presents, opened on the first visit, and moved along
    unless it is held; None where none can be opened."""
    rooms, browser = class_rooms(), state.browser()
    code = _code()
    if not rooms.presents(code, browser):
        if rooms.place(code):
            _instead("This class is led from another browser", "Follow it")
        if code and state.remembered(ENDED) == code:  # the browser's Back leads here
            _instead(f"The class {code} has ended", "Go on alone", CLASS, MOVES)
        opened = rooms.open(browser, course.scene.name)
        state.write_url(CLASS, opened)
        if code and opened:
            st.toast(TEXT["another"].format(code=code), icon=":material/co_present:")
        if opened is None:
            st.caption(TEXT["full"])
            return None
        code = opened
    rooms.place(code)
    state.remember(LECTURE, {"present": "1", CLASS: code, "scene": course.scene.name}
                   | ({"shown": SHOWN} if course.shown else {}))
    rooms.move(code, browser, course.scene.name, course.shown, bool(state.remembered(HELD)))
    return code


def _instead(why: str, other_way: str, *left_out: str) -> None:
    """In place of the scene: why this address leads no class, and two ways on, the other one
    without `left_out` of the address."""
    st.title(why, anchor=False)
    with st.container(horizontal=True):
        for key, label, names in (("own", "Open a new class", (CLASS, MOVES)),
                                  ("other", other_way, ("present", *left_out))):
            st.button(label, key=f"lesson_{key}", on_click=state.leave_out, args=(names,))
    st.stop()


def way_back(page: str) -> None:
    """A link to the lecture or the class that this session has left for another page, or to the
    scene that led a single reader there."""
    words = state.remembered(LECTURE)
    if st.query_params.get(FROM) and page != "lesson" and not words:
        st.page_link("app/views/lesson.py", query_params={"scene": st.query_params[FROM]},
                     label="Back to the lesson", icon=":material/school:")
    if not words or (page == "lesson" and _code() == words[CLASS]):
        return
    if class_rooms().place(words[CLASS]):
        st.page_link("app/views/lesson.py", query_params=words, icon=":material/co_present:",
                     label="Back to the lecture" if "present" in words else "Back to the class")


def _code() -> str:
    """The code of the address, which somebody may have typed in small letters."""
    return st.query_params.get(CLASS, "").upper()


def end(code: str | None) -> None:
    """Forget the class and its votes, and go on alone; before the page is drawn."""
    if code:
        class_rooms().close(code, state.browser())
        state.remember(ENDED, code)
        st.toast(TEXT["ended"], icon=":material/co_present:")
    state.leave_out((CLASS, MOVES, "present"))
    state.remember(LECTURE, None)


def attend() -> str | None:
    """The code of the class of the address, which takes this session to the presenter's scene
    whenever that has moved, the speaker's notes also where the class is held; None where the
    address names no class.

    How often the class had moved when this page was drawn stands in the address too: what is drawn
    may be lost on its way, and the address tells what the browser has.
    """
    code = _code()
    if not code:
        return None
    place = _place(code)
    if place is None:
        st.info(TEXT["no class"], icon=":material/co_present:")
        return None
    if not _speaks():
        state.remember(LECTURE, {CLASS: code})
    if st.query_params.get(MOVES) != str(place.moves):
        go(place.scene, place.shown)
        state.write_url(MOVES, str(place.moves))
    return code


def _speaks() -> bool:
    return st.query_params.get("notes") == "1"


def _place(code: str) -> Place | None:
    """Where this page belongs: the notes to the hall, a reader's to the class."""
    return class_rooms().hall(code) if _speaks() else class_rooms().place(code)


def where(code: str, course: Course) -> None:
    """Whether a reader is where the class is."""
    place = class_rooms().place(code)
    along = place is None or (place.scene, place.shown) == (course.scene.name, course.shown)
    st.caption(f":material/co_present: {TEXT['following' if along else 'by oneself']}")


@st.fragment(run_every=EVERY)
def pace(code: str, course: Course) -> None:
    """For the speaker: which scene the hall sees, and how long the class has been open."""
    st.markdown(f"Scene {course.at + 1} of {len(course.scenes)} · The hall sees the "
                f"{'answer' if course.shown else 'question'} · "
                f"**{class_rooms().minutes(code)} min** since the class was opened")
    there = class_rooms().place(code)
    if there and (there.scene, there.shown) != (course.scene.name, course.shown):
        title = next((one.title for one in course.scenes if one.name == there.scene), there.scene)
        st.badge(f"The class is held at “{title}”, {'answer' if there.shown else 'question'}",
                 icon=":material/pause:", color="orange")


def go_along(code: str, words: str = "") -> None:
    """Look every two seconds whether the presenter has moved on, and offer the way back to there.

    At the end of the page, since one that is interrupted before has to be drawn again.
    """
    state.remember(_drawn(code), st.query_params.get(MOVES))
    with st.container(horizontal=True, vertical_alignment="center", key="lesson_following"):
        if words:
            st.markdown(f":material/keyboard: {words}", width="content")
        st.button(TEXT["to the presenter"], key="lesson_look", type="tertiary",
                  on_click=state.leave_out, args=((MOVES,),))
        _looking(code)


@st.fragment(run_every=EVERY)
def _looking(code: str) -> None:
    place = _place(code)
    # Not by the address: that of a question which was asked before a drawing is one behind it.
    if place is None or state.remembered(_drawn(code)) != str(place.moves):
        st.rerun()
    heartbeat(time.monotonic(), str(place.moves))


def _drawn(code: str) -> str:
    return f"moves:{code}"


def voted(code: str | None, scene: Scene) -> int | None:
    """What this browser answered, which a reload forgets and the class does not."""
    return class_rooms().voted(code, state.browser(), scene.name) if code else None


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


@st.dialog("Come along", width="large")
def join(code: str | None) -> None:
    """The address as a QR code and in letters."""
    here = address(code)
    with st.container(key="lesson_address"):
        words, code_image = st.columns(2, vertical_alignment="center")
        words.markdown(TEXT["join" if server_settings().shared else "alone"])
        words.code(here, language=None, wrap_lines=True)
        code_image.image(qr_code(here), width=560, alt=f"QR code of {here}")
        if server_settings().shared and urlsplit(here).hostname in OWN:
            st.warning(TEXT["own name"].format(port=urlsplit(here).port))


@st.cache_data(max_entries=64, show_spinner=False)
def qr_code(text: str) -> str:
    """The QR code as a data URL of a PNG, with the quiet zone that the standard asks for."""
    import segno

    return segno.make(text, micro=False, error="m").png_data_uri(scale=CODE, border=4)
