"""What all tests share: an empty store and, on request, a worker that trains nothing."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Two processes share two cores. And on several threads torch 2.13 corrupts memory in the backward
# pass of channels-last convolutions under 16 channels whose batch size keeps changing.
os.environ["OMP_NUM_THREADS"] = "1"

from ngf_core.runs import RunStore, jobs  # noqa: E402
from tests.support.forked import forked  # noqa: E402

pytest_plugins = ["tests.support.dataset_root", "tests.support.tiny_runs",
                  "tests.support.fake_slurm"]


def pytest_collection_finish() -> None:
    """The garbage collector, here and in every fork, passes over what collecting made: modules and
    thousands of tests, which stay to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """An empty store of runs, with an empty folder of shipped ones."""
    (tmp_path / "shipped").mkdir()
    return RunStore(tmp_path / "runs", tmp_path / "shipped")


@pytest.fixture
def fake_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs started here run tests/support/pretended_work.py in the real worker frame."""
    monkeypatch.setattr(jobs, "WORKER", (sys.executable, "-m", "tests.support.pretending_worker"))


@pytest.fixture(scope="module")
def forked_readers() -> Iterator[None]:
    """Files from outside are opened in forks of this process: confined, but not started anew."""
    with forked():
        yield
