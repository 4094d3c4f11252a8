"""The pages of a run, opened in this process: what on them is a stack trace or has no reason."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import streamlit as st
from streamlit.testing.v1 import AppTest

from ngf_core.runs import Run

ENTRY = Path(__file__).parents[2] / "streamlit_app.py"
# Where a run of each kind is shown besides the page of all runs.
OWN_PAGE = {"purify": "race", "spectrum": "spectrum", "landscape": "landscape", "layers": "layers"}


def pages_of(run: Run) -> tuple[str, ...]:
    """The names of the pages that show a run."""
    own = OWN_PAGE.get(str(run.kind))
    return ("runs",) if own is None else ("runs", own)


def traces(run: Run, page: str) -> list[str]:
    """What is wrong on a page that shows the run: exceptions, and parts that could not be drawn
    for a reason that nobody foresaw."""
    with _reading(run.path.parent):
        app = AppTest.from_file(str(ENTRY), default_timeout=120)
        app.query_params["run"] = run.id
        app.switch_page(f"app/views/{page}.py")
        app.run()
    unforeseen = [part.value for part in app.error if "could not be drawn" in part.value]
    return [str(part.message) for part in app.exception] + unforeseen


@contextmanager
def _reading(root: Path) -> Iterator[None]:
    """The dashboard's store is the one at `root`, and it remembers nothing of another."""
    st.cache_data.clear()
    st.cache_resource.clear()
    with patch.dict(os.environ, NGF_RUNS=str(root)):
        yield
