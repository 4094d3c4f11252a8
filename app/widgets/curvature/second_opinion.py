"""What PyHessian says to the same numbers."""

import streamlit as st

from app.figures.second_opinion import AGREES, second_opinion
from ngf_core.runs import Run


def second_opinion_line(run: Run, names: list[str]) -> None:
    """One line: within what PyHessian agrees, or where it does not, or that nobody asked it."""
    checks = {name: run.results.get(name, {}).get("pyhessian") for name in names}
    said = second_opinion(checks)
    if said.state == AGREES:
        st.caption(f":material/verified: {said.sentence}", help=said.detail)
    elif checks and any(checks.values()):
        st.warning(f"{said.sentence} {said.detail}", icon=":material/rule:")
    else:
        st.caption(said.sentence)
