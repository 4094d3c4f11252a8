"""What stands around every page: this moment's runs, the banner of the running jobs, the model."""

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from app import state, warm
from app.widgets.controls.notice import guarded
from app.widgets.model.model_bar import model_bar
from app.widgets.runs.job_banner import job_banner

STYLE = Path(__file__).with_name("theme.css")


def framed(page: StreamlitPage) -> None:
    """Draw a page in its frame."""
    st.html(STYLE)
    warm.warm_up()
    state.take_snapshot()
    job_banner()
    guarded(model_bar)()
    page.run()
