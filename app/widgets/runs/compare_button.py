"""The button below the table of runs that opens the ticked ones beside one another."""

from collections.abc import Sequence

import streamlit as st

from app.text import sections
from ngf_core.compare.differences import MOST
from ngf_core.runs import Run

TEXT = sections("runs")


def compare_button(ticked: Sequence[Run]) -> None:
    """Opens Compare with the ticked runs; where they are too few or too many it says so."""
    count = len(ticked)
    few, many = count < 2, count > MOST
    with st.container(horizontal=True, vertical_alignment="center", key="compare_ticked"):
        # A link and no button: with st.switch_page the browser's Back would need two presses.
        st.page_link("app/views/compare.py", disabled=few or many,
                     label="**Compare**" if few else f"**Compare {count} runs**",
                     icon=":material/compare_arrows:", width="content",
                     query_params={"runs": ",".join(run.id for run in ticked)})
        if few or many:
            st.caption(TEXT["compare too many" if many else "compare too few"].format(
                count=count, most=MOST), width="content")
