"""The browser's Back goes back one page, or one run, per press."""

from importlib.resources import files

import streamlit as st

_mend = st.components.v2.component(
    "ngf_lab_history", js=(files(__package__) / "history.js").read_text(encoding="utf-8"))


def one_page_per_press() -> None:
    """Let what changes on a page, but for the run that it shows, replace the page's entry in the
    browser's history, where Streamlit would add one. It draws nothing."""
    _mend(key="history")
