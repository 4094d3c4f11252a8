"""The shipped runs, as the lesson reads them."""

from pathlib import Path

import pytest

from app import state
from ngf_core.paths import shipped
from ngf_core.runs import RunStore
from tests.support.faked import faked


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """No runs of one's own beside the shipped ones."""
    monkeypatch.setenv("NGF_RUNS", str(tmp_path / "runs"))
    store = RunStore(tmp_path / "runs", shipped("assets", "zoo"))
    faked(monkeypatch, state, "store", lambda: store)
    return store
