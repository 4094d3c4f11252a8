"""PyHessian's values for the same numbers."""

import streamlit as st

from app.figures.second_opinion import AGREES, APART, second_opinion
from ngf_core.runs import Run


def second_opinion_line(run: Run, names: list[str]) -> None:
    """One line: how closely PyHessian agrees, or where it does not, or that it was not run."""
    checks = {name: run.results.get(name, {}).get("pyhessian") for name in names}
    opinion = second_opinion(checks)
    if opinion.state == AGREES:
        st.caption(f":material/verified: {opinion.sentence}", help=opinion.detail)
    elif opinion.state == APART:
        st.caption(f":material/rule: {opinion.sentence}", help=opinion.detail)
    elif checks and any(checks.values()):
        st.warning(f"{opinion.sentence} {opinion.detail}", icon=":material/rule:")
    else:
        st.caption(opinion.sentence)
