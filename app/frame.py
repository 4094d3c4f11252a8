"""What stands around every page: this moment's runs, running jobs, the model, the next question."""

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app import state
from app.read.lesson.presenting import without_menus
from app.widgets.controls.history import one_page_per_press
from app.widgets.controls.notice import guarded
from app.widgets.lesson.class_card import way_back
from app.widgets.model.model_bar import model_bar
from app.widgets.model.next_question import next_question
from app.widgets.runs.job_banner import job_banner
from app.widgets.runs.watch import watch

# Pages about models of their own choice.
OF_SEVERAL = ("compare", "lesson", "sweep")
STYLE = Path(__file__).with_name("theme.css")


def styled() -> None:
    """Give what follows the colours and sizes that Streamlit's theme has no setting for."""
    st.html(STYLE)


def framed(page: StreamlitPage) -> None:
    """Draw a page in its frame."""
    state.take_snapshot()
    state.restore_after_back()
    alive = not without_menus() and job_banner()
    if not without_menus():
        guarded(way_back)(page.url_path)
    if page.url_path not in OF_SEVERAL:
        guarded(model_bar)(page.url_path)
    page.run()
    next_question(page.url_path)
    one_page_per_press()
    watch(alive)
