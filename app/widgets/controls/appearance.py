"""What the reader's browser looks like."""

import streamlit as st


def is_dark() -> bool:
    """True on a dark page; figures take it as their `dark` argument."""
    return st.context.theme.type == "dark"
