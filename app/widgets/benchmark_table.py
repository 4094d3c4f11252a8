"""A table of the benchmark, or what to do where it has not been computed."""

import pandas as pd
import streamlit as st

from ngf_core.benchmark import COMMAND, load
from ngf_core.errors import NGFError


def benchmark_table(name: str, command: str = COMMAND) -> pd.DataFrame | None:
    """The table `name`; where it is missing, damaged or empty a notice with the command."""
    try:
        table = load(name)
        if len(table):
            return table
        problem = f"The table {name} is empty: nothing of it has been computed yet."
    except NGFError as error:
        problem = str(error)
    st.info(problem, icon=":material/hourglass_empty:")
    st.code(command, language="bash")
    return None
