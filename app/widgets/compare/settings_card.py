"""Which run has which letter, and the settings in which they differ."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from app import state
from app.text import sections
from app.text.outside import plain
from app.widgets.runs.run_name import run_name
from ngf_core.compare.differences import Comparison
from ngf_core.compare.report import settings_rows
from ngf_core.runs import Run

TEXT = sections("compare")


def letters_card(found: Comparison, runs: Sequence[Run]) -> None:
    """One line per run: its letter and name, its state where it is not done; links to the runs."""
    lines = []
    for run in runs:
        notes = ["baseline"] * (run.id == found.baseline) + [run.state] * (run.state != "done")
        lines.append(f"- **{found.letters[run.id]}** "
                     f"{' · '.join([plain(run_name(run, state.store())), *notes])}")
    st.markdown("\n".join(lines))
    with st.container(horizontal=True, key="compare_open"):
        for run in runs:
            st.page_link("app/views/runs.py", label=f"Open {found.letters[run.id]}",
                         query_params={"run": run.id}, width="content")


def settings_card(found: Comparison) -> None:
    """The differing settings, one column per run."""
    st.header("What differs", anchor=False)
    if not found.settings:
        st.markdown(TEXT["same settings"])
        return
    head, *rows = settings_rows(found)
    table = pd.DataFrame(rows, columns=head).assign(
        **{"what it sets": [one.meaning for one in found.settings]})
    st.dataframe(table, key="compare_settings", hide_index=True, height="content",
                 alt=f"Table of {len(rows)} settings that differ among {len(found.letters)} runs.")
    st.caption(TEXT["settings"])
