"""The appearance of the page in the browser."""

import streamlit as st


def is_dark() -> bool:
    """True on a dark page; figures take it as their `dark` argument."""
    return st.context.theme.type == "dark"
