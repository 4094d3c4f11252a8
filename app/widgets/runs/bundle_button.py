"""A finished run as a bundle: a zip with a report and what computes it again."""

import functools

import streamlit as st

from app import state
from app.text import sections
from app.text.outside import unlinked
from ngf_core.errors import NGFError
from ngf_core.runs import Run, RunStore
from ngf_core.runs.archive import check_zippable
from ngf_core.runs.lineage import with_sources


def bundle_button(run: Run) -> None:
    """Two downloads, without and with weights, or why there is none; nothing before it is done."""
    if run.state != "done":
        return
    # The file is made outside of a rerun, where no session has a snapshot of its own.
    store = state.store()
    with st.popover("Bundle", icon=":material/inventory_2:", key="bundle"):
        try:
            family = with_sources([run], store)
            check_zippable(family)
        except NGFError as error:
            st.warning(unlinked(str(error)))
            return
        st.markdown(sections("runs")["bundle"].format(count=len(family)))
        for weights, label in ((False, "Download the bundle"),
                               (True, "Download it with the models' weights")):
            st.download_button(label, functools.partial(_bundle, run, store, weights),
                               f"{run.id}.zip", "application/zip", icon=":material/download:",
                               key=f"bundle_{'weights' if weights else 'plain'}",
                               on_click="ignore")


def _bundle(run: Run, store: RunStore, weights: bool) -> bytes:
    from ngf_core.bundle.contents import bundle

    return bundle([run], store, weights)
