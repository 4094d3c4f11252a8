"""The audit that ships with NGF Lab: its verdict in words, and its bundle to take away."""

import streamlit as st

from app.text import sections
from ngf_core.paths import shipped

NAME = "signs-ngf"
TEXT = sections("audit")


def shipped_audit() -> None:
    """A box with the audit's verdict, its text and a button for its bundle, where one ships."""
    text, bundle = (shipped("assets", "audits", NAME + end) for end in (".txt", ".zip"))
    if not (text.is_file() and bundle.is_file()):
        return
    told = text.read_text(encoding="utf-8")
    _, verdict, _ = told.split("\n\n", 2)
    with st.expander(TEXT["shipped"], icon=":material/inventory_2:", key="shipped_audit"):
        st.markdown(f"**{verdict}**\n\n{TEXT['shipped text']}")
        st.download_button("Download the bundle", bundle.read_bytes, file_name=bundle.name,
                           mime="application/zip", on_click="ignore", key="shipped_bundle")
        st.code(told, language=None, height=420)
