"""What pages import late, imported before a class needs it."""

from importlib import import_module

import streamlit as st

from ngf_core.runs.server_settings import server_settings

LATE = ("torch", "skimage.metrics", "ngf_core.trained.gallery", "ngf_core.trained.load",
        "ngf_core.trained.poison_preview", "ngf_core.inside.models", "sklearn.decomposition",
        "ngf_core.layers.oracle", "ngf_core.models.build")


def warm_up() -> None:
    """On a shared server the first visitor waits a few seconds for what pages import late, and
    nobody after it. Elsewhere each page imports what it needs, so that the first one opens at once.
    """
    if server_settings().shared:
        _imported()


@st.cache_resource(show_spinner="Starting")
def _imported() -> None:
    for name in LATE:
        import_module(name)
