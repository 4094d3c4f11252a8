"""The audit that ships with NGF Lab: its verdict, its ratios, its text, its bundle to take away."""

from pathlib import Path
from typing import Any

import streamlit as st

from app.figures.origin import Origin, of_runs
from app.text import sections
from app.widgets.curvature.audit_cards import ratio_card, verdict_card
from ngf_core.paths import shipped

NAME = "signs-ngf"
TEXT = sections("audit")


def shipped_audit(opened: bool) -> None:
    """A box with what the shipped audit found, and a button for its bundle, where one ships.

    opened: whether the box is open until it is pressed.
    """
    text, bundle = (shipped("assets", "audits", NAME + end) for end in (".txt", ".zip"))
    if not (text.is_file() and bundle.is_file()):
        return
    box = st.expander(TEXT["shipped"], icon=":material/inventory_2:", key=f"shipped_audit_{opened}",
                      expanded=opened, on_change="rerun")
    if not box.open:
        return
    with box:
        told = text.read_text(encoding="utf-8")
        pairs, origin = _found(bundle, told.partition("\n")[0])
        st.markdown(TEXT["shipped text"])
        verdict_card(pairs)
        ratio_card(pairs, origin, key="shipped_ratios")
        st.download_button("Download the bundle", bundle.read_bytes, file_name=bundle.name,
                           mime="application/zip", on_click="ignore", key="shipped_bundle")
        with st.expander(TEXT["shipped words"]):
            st.code(told, language=None, height=420)


@st.cache_data(max_entries=1, show_spinner="Reading the audit")
def _found(bundle: Path, command: str) -> tuple[list[dict[str, Any]], Origin]:
    """Results of the audits in a bundle, and what a figure of all of them was drawn from."""
    from ngf_core.bundle.opened import read_bundle

    with read_bundle(bundle) as runs:
        audits = [run for run in runs if run.kind == "audit"]
        return [run.results for run in audits], of_runs(audits, command)
