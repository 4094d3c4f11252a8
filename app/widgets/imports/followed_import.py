"""The import in ?run=: its progress, what was measured, and where to go on."""

import streamlit as st

from app import state
from app.text import sections
from app.text.outside import plain, unlinked
from app.widgets.controls.address import run_in_address
from app.widgets.controls.notice import model_notice, versions_notice
from app.widgets.runs.follow import follow
from app.widgets.runs.result_tiles import result_tiles
from app.widgets.runs.run_name import run_name
from ngf_core.runs import Run
from ngf_core.runs.files import RECEIVED, model_entry

NEXT = (("Race NGF against SGD", "race", "source", ":material/flag:"),
        ("Landscape", "landscape", "run", ":material/terrain:"),
        ("Spectrum", "spectrum", "run", ":material/bar_chart:"),
        ("Layers", "layers", "run", ":material/layers:"))


def followed_import() -> Run | None:
    """Follow the import in ?run=, then show its numbers and the next pages; that run."""
    run = run_in_address()
    if run is None or run.kind != "import":
        return None
    with st.container(border=True, key="imported"):
        st.markdown(f"**{plain(run_name(run, state.store()))}**")
        if follow(run):
            model_notice(run)
            versions_notice(run)
            for doubt in run.results["doubts"]:
                st.warning(unlinked(doubt), title="Its answers on clean images look wrong",
                           icon=":material/warning:")
            for untold in run.results.get("untold", ()):  # runs of before have none
                st.info(untold, icon=":material/help:")
            result_tiles(run.results[model_entry(run.kind, RECEIVED)], key="imported_rates")
            if run.results[model_entry(run.kind, RECEIVED)]["asr"] is None:
                st.caption(sections("import_model")["unknown"])
            st.markdown(sections("import_model")["done"])
            with st.container(horizontal=True, key="imported_next"):
                for label, page, parameter, icon in NEXT:
                    st.page_link(f"app/views/{page}.py", label=label, icon=icon,
                                 query_params={parameter: run.id})
    return run
