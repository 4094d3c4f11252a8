"""A store on a file system that can only be read: everything opens, nothing is changed or lost."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ngf_core.cli.main import main
from ngf_core.config import TrainConfig
from ngf_core.errors import RunError
from ngf_core.runs import Run, RunStore, jobs
from ngf_core.runs.disk import file_sha
from tests.campaigns.full_disk import CannotMount, mounted
from tests.campaigns.pages import traces
from tests.campaigns.readings import DATA, everything
from tests.support.fabricated_runs import make_run


@pytest.fixture
def run(tmp_path) -> Iterator[Run]:
    """A finished race in a store whose file system was then made read-only, even for root."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux mounts a file system")
    try:
        with mounted(tmp_path / "disk") as disk:
            made = make_run(RunStore(disk / "runs"), "purify")
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            yield made
    except CannotMount as error:
        pytest.skip(str(error))


def contents(run: Run) -> dict[str, str]:
    return {path.name: file_sha(path) for path in run.path.iterdir()}


def test_everything_is_read_and_a_change_is_refused_in_a_sentence(run, capsys, monkeypatch):
    before = contents(run)
    answers = everything(run)
    assert {answer.kind for answer in answers.values()} == {DATA}, answers
    store = RunStore(run.path.parent)
    cannot = f"Runs cannot be kept in {store.root} .Read-only file system.. Point NGF_RUNS"
    for ask in (lambda: store.create(TrainConfig()), lambda: jobs.start(TrainConfig(), store, "a"),
                lambda: jobs.restart(run, store), lambda: jobs.resume(run, store)):
        with pytest.raises(RunError, match=cannot):
            ask()
    cannot = f"Run {run.id} cannot be .*: its folder cannot be written .Read-only file system"
    for change in (run.delete, run.keep):
        with pytest.raises(RunError, match=cannot):
            change()
    monkeypatch.setenv("NGF_RUNS", str(store.root))
    for command in (["runs", "delete", run.id], ["runs", "restart", run.id]):
        assert main(command) == 2
        said = capsys.readouterr().err
        assert "Read-only file system" in said and "Traceback" not in said
    assert contents(run) == before


def test_its_pages_open(run):
    assert [traces(run, page) for page in ("runs", "race")] == [[], []]
