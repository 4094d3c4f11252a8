"""The browser watches whether the server still asks a page that waits for a run."""

import time
from importlib.resources import files

import streamlit as st

_HERE = files(__package__)
_asked, _watch = (
    st.components.v2.component(f"ngf_lab_{name}",
                               js=(_HERE / f"{name}.js").read_text(encoding="utf-8"))
    for name in ("asked", "watch"))


def asked() -> None:
    """Tell the browser that the server has asked. It draws nothing."""
    _asked(key="jobs_asked", data={"at": time.monotonic()})


def watch(alive: bool) -> None:
    """Draw the page again where the server no longer asks while a run is `alive`; outside of the
    fragments that are asked. It draws nothing itself."""
    _watch(key="jobs_watch", data={"alive": alive}, on_silent_change=lambda: None)
