"""The question before runs are deleted."""

from collections.abc import Sequence

import streamlit as st

from app import jobs, state
from app.text import sections
from app.text.outside import unlinked
from ngf_core.errors import NGFError
from ngf_core.runs import Run


@st.dialog("Delete for good?")
def confirm_delete(runs: Sequence[Run]) -> None:
    """Confirm the deletion of runs; names the others that were made from them."""
    text, ids = sections("runs"), [run.id for run in runs]
    st.markdown(text["delete"])
    st.code("\n".join(ids), language=None, wrap_lines=True)
    others = [other.id for other in state.store().list()
              if other.manifest["source"] in ids and other.id not in ids]
    if others:
        st.warning(text["dependents"].format(
            count=f"{len(others)} other run{'s' * (len(others) > 1)}"))
        st.code("\n".join(others), language=None, wrap_lines=True)
    if st.button("Delete", type="primary", key="run_delete_sure"):
        try:
            for run in runs:
                jobs.delete(run, state.browser())
        except NGFError as error:
            st.error(unlinked(str(error)))
            return
        if st.query_params.get("run") in ids:
            state.write_url("run", None)
        st.rerun()
