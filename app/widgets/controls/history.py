"""The browser's Back goes back one page per press."""

from importlib.resources import files

import streamlit as st

_mend = st.components.v2.component(
    "ngf_lab_history", js=(files(__package__) / "history.js").read_text(encoding="utf-8"))


def one_page_per_press() -> None:
    """Let the address that a page gives itself when it opens replace its bare one in the browser's
    history, in which Streamlit would keep both. It draws nothing."""
    _mend(key="history")
