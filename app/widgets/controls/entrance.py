"""The page that asks for the server's token, where it has one, before anything else is drawn."""

import hmac
import time

import streamlit as st

from app import state
from app.text import sections
from app.widgets.controls.notice import show_error
from ngf_core.errors import ConfigError
from ngf_core.runs.server_settings import server_settings

DELAY = 1.0  # seconds that an answer to a wrong token takes


def admitted() -> bool:
    """True where this session may see the pages; until then the question for the token is drawn.

    False too, with a card, where the server's settings cannot be used.
    """
    try:
        token = server_settings().token
    except ConfigError as error:
        show_error(error)
        return False
    if not token or state.remembered("token") == token:
        return True
    text = sections("entrance")
    st.title(text["title"])
    with st.form("entrance", border=False):
        given = st.text_input(text["question"], type="password", key="given_token")
        sent = st.form_submit_button("Enter", type="primary", key="enter")
    if sent and is_token(given, token):
        state.remember("token", token)
        st.rerun()
    if sent:
        time.sleep(DELAY)
        st.error(text["wrong"], icon=":material/lock:")
    return False


def is_token(given: str, token: str) -> bool:
    """True where they are equal; how long it takes does not tell where they differ."""
    return hmac.compare_digest(given.strip().encode(), token.encode())
