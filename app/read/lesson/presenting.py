"""Whether the lesson is shown to a hall or its notes to a speaker: neither has menus."""

from urllib.parse import urlsplit

import streamlit as st

PAGE = "lesson"


def presenting() -> bool:
    """True on the lesson with ?present=1."""
    return st.query_params.get("present") == "1" and _on_the_lesson()


def without_menus() -> bool:
    """True where the lesson is presented, and in the window of its notes."""
    return presenting() or (st.query_params.get("notes") == "1" and _on_the_lesson())


def _on_the_lesson() -> bool:
    here = urlsplit(st.context.url or "").path.rstrip("/")
    return not here or here.endswith(f"/{PAGE}")
