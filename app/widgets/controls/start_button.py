"""The button that starts a job or fetches data: off, with the reason, on a server that only shows.
"""

from typing import Any

import streamlit as st

from ngf_core.runs.server_settings import READONLY, server_settings


def start_button(label: str, key: str, *, disabled: bool = False, help: str | None = None,
                 **look: Any) -> bool:
    """True where it was pressed; `look` as in st.button."""
    readonly = server_settings().readonly
    return st.button(label, key=key, disabled=disabled or readonly,
                     help=READONLY if readonly else help, **look) and not readonly
