"""Asking for a run: its cost, its button, and what has been computed already."""

import streamlit as st

from app import jobs, state
from app.widgets.controls.cost_line import cost_line
from app.widgets.controls.start_button import start_button
from ngf_core.config import Config
from ngf_core.runs import Run


def request(config: Config, label: str, again: str, key: str, *,
            icon: str = ":material/play_arrow:", shown: Run | None = None) -> Run | None:
    """The run of `config` to open once its button was pressed, else None.

    The button `label` starts it. Where such a run is finished it is offered, unless it is the one
    `shown`, and the button, then `again`, computes it once more. Raises what `jobs.start` raises.
    """
    twin = state.store().finished(config)
    if twin and twin != shown:
        st.success(f"The same settings have been computed already: run {twin.id}.",
                   icon=":material/history:")
        if st.button("Reuse this run", icon=":material/recycling:", key=f"{key}_reuse"):
            return twin
    cost_line(config)
    # Another key, so that a press from before the twin was finished does not compute it again.
    if start_button(again if twin else label, f"{key}_again" if twin else key, icon=icon,
                    type="secondary" if twin else "primary"):
        return jobs.start(config, state.browser(), again=twin is not None)
    return None
