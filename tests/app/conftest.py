"""An app to open pages in: fabricated runs in an own folder, nothing trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest
import streamlit as st
from streamlit.components.v2.bidi_component.state import ComponentResult
from streamlit.testing.v1 import AppTest

from app import state
from app.widgets.start import first_touch
from ngf_core.config import Config
from ngf_core.runs import RunStore
from tests.support.faked import faked
from tests.support.pretended_science import pretend

ENTRY = Path(__file__).parents[2] / "streamlit_app.py"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """The empty store that the pages of this test read; no run is shipped."""
    monkeypatch.setenv("NGF_RUNS", str(tmp_path / "runs"))
    store = RunStore(tmp_path / "runs", tmp_path / "shipped")
    names = tuple(f"class {i}" for i in range(10))
    faked(monkeypatch, state, "default_store", lambda: store)
    faked(monkeypatch, state, "class_names", lambda dataset, run: names)
    faked(monkeypatch, state, "layer_names", lambda arch: ("conv1", "blocks.2.conv1", "linear"))
    st.cache_resource.clear()
    st.cache_data.clear()
    return store


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, runs: RunStore) -> list[Config]:
    """The configs that pages started; no worker is launched, costs and images are stand-ins."""
    return pretend(monkeypatch, runs)


@pytest.fixture
def open_page(runs: RunStore) -> Callable[..., AppTest]:
    """Open a page by name with address parameters, e.g. open_page("race", run=run.id)."""

    def open_it(page: str, **query: str) -> AppTest:
        app = AppTest.from_file(str(ENTRY), default_timeout=120)
        app.query_params.update(query)
        if page != "start":
            app.switch_page(f"app/views/{page}.py")
        return app.run()

    return open_it


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What Start gave the browser to play, newest last; `played.answer` is what it sends back."""
    class Played(list):
        answer = None

    given = Played()

    def touch(*, key, data, default, on_chosen_change):
        given.append(data)
        return ComponentResult({"chosen": given.answer})

    monkeypatch.setattr(first_touch, "_touch",
                        create_autospec(first_touch._touch, side_effect=touch))
    return given
