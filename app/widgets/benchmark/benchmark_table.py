"""A table of the benchmark, or how to compute it where it is missing."""

import pandas as pd
import streamlit as st

from app.widgets.benchmark.tables_choice import Tables, command_of
from app.widgets.controls.notice import show_error
from ngf_core.errors import NGFError
from ngf_core.evidence import COMMAND, load, tables_folder
from ngf_core.evidence.folders import MAIN

WAITING = ":material/hourglass_empty:"


def benchmark_table(name: str, of: Tables | None = None) -> pd.DataFrame | None:
    """The table `name` of the folder `of` (None: the main one); where it is missing, damaged or
    empty, a notice with the command."""
    try:
        table = load(name, of.folder, of.command) if of else load(name)
        if len(table):
            return table
        st.info(f"The table “{name}” is empty: none of it has been computed yet.", icon=WAITING)
    except NGFError as error:
        if error.__cause__:  # the table exists and cannot be read
            show_error(error)
        else:
            st.info(str(error), icon=WAITING)
    command_of(of or Tables(MAIN, tables_folder(), COMMAND))
    return None
