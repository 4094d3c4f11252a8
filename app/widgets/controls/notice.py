"""Notices and errors: one sentence on the page, the details in the server's log."""

import functools
import logging
from collections.abc import Callable
from typing import Any

import streamlit as st

from app import state
from app.text.outside import unlinked
from ngf_core.errors import ConfigError, NGFError
from ngf_core.runs import Run
from ngf_core.runs.resuming import other_versions

log = logging.getLogger("ngf_lab")


def model_notice(run: Run) -> None:
    """Warn when the attack of the run's model did not take: its numbers then prove little; and when
    its trigger moves a benign model too: its ASR is then more than its backdoor."""
    from app.read.floor import floor_of
    from ngf_core.attacks.aim import MOST_FLOOR
    from ngf_core.runs.attack_check import verdict

    sentence = verdict(run, state.store())
    if sentence:
        st.warning(sentence, title="This attack did not take", icon=":material/warning:")
    floor = floor_of(run)
    if floor and floor.value > MOST_FLOOR:
        low, high = (100 * end for end in floor.interval)
        st.info(f"A benign model gives {floor.percent()} [{low:.1f}, {high:.1f}] of these "
                f"triggered images the attacker's label (n = {floor.n:,}). Of an ASR, that much "
                "needs no backdoor, and no defense can be asked to remove it.",
                title="This trigger moves a benign model too",
                icon=":material/vertical_align_bottom:")


def versions_notice(run: Run) -> None:
    """Say where other versions computed a run than those installed. Its numbers stay as they are.
    """
    others = other_versions(run.manifest)
    if others:
        st.caption(f":material/history: {unlinked(others)}; computed again, its numbers may "
                   "differ.")


def show_error(error: NGFError) -> None:
    """A short card with the error's message."""
    title = f"Check the setting {error.field}" if isinstance(error, ConfigError) else None
    st.error(unlinked(str(error)), title=title, icon=":material/error:")


def guarded(draw: Callable[..., None]) -> Callable[..., None]:
    """A page or fragment that never shows a stack trace: an NGFError becomes a card with its
    message, any other a short card with the run's id and its details in the server's log."""

    @functools.wraps(draw)
    def safe(*args: Any, **kwargs: Any) -> None:
        try:
            draw(*args, **kwargs)
        except NGFError as error:
            show_error(error)
        except Exception as error:
            log.exception("%s could not be drawn", draw.__code__.co_filename)
            run_id = st.query_params.get("run")
            about = f" Run: {unlinked(run_id[:120])}." if run_id else ""
            st.error(f"This part could not be drawn ({type(error).__name__}).{about} "
                     "The details are in the server log; the other pages still work.",
                     icon=":material/error:")

    return safe
