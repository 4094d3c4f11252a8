"""The shipped runs, as the lesson reads them."""

from pathlib import Path

import pytest

from app import state
from ngf_core.paths import shipped
from ngf_core.runs import RunStore
from tests.support.faked import faked


@pytest.fixture(scope="session")
def none_of_my_own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all tests, so that what is read of the shipped runs is read once."""
    return tmp_path_factory.mktemp("lesson") / "runs"


@pytest.fixture
def zoo(none_of_my_own: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    """No runs of one's own beside the shipped ones."""
    monkeypatch.setenv("NGF_RUNS", str(none_of_my_own))
    store = RunStore(none_of_my_own, shipped("assets", "zoo"))
    faked(monkeypatch, state, "store", lambda: store)
    return store
