"""Snapshots of the runs against the runs themselves, and what they read of the disk."""

import pytest

from benchmarks.page_reads import manifest_reads
from ngf_core.config import TrainConfig
from ngf_core.errors import RunError
from ngf_core.runs import ManifestReadings, RunStore, RunWriter, StoreSnapshot
from tests.support.fabricated_runs import make_run

STATES = ("queued", "running", "done", "failed", "cancelled", "lost", "corrupt")


@pytest.fixture
def store(tmp_path) -> RunStore:
    return RunStore(tmp_path / "runs", tmp_path / "shipped")


def test_it_says_of_every_run_what_the_run_says(store):
    for state in STATES:
        make_run(store, "train", state=state)
    make_run(RunStore(store.shipped), "spectrum")
    seen = StoreSnapshot(store, ManifestReadings())
    for kind in (None, "train", "purify", "spectrum"):
        assert seen.list(kind) == store.list(kind)
    for mine, theirs in zip(seen.list(), store.list(), strict=True):
        assert (mine.manifest, mine.status(), mine.live, mine.shipped) == (
            theirs.manifest, theirs.status(), theirs.live, theirs.shipped)
        if theirs.state != "corrupt":
            assert mine.config == theirs.config and seen.get(mine.id) == theirs
    assert seen.latest("spectrum") == store.latest("spectrum")


def test_it_stays_as_it_was_and_the_next_one_is_up_to_date(store):
    run = make_run(store, "train", state="running")
    readings = ManifestReadings()
    seen = StoreSnapshot(store, readings)
    RunWriter(run).cancel("Enough.")
    other = make_run(store, "train")
    assert seen.get(run.id).state == "running" and seen.get(run.id).live
    assert other not in seen.list()
    assert seen.get(run.id).now().status() == ("cancelled", "Enough.")
    later = StoreSnapshot(store, readings)
    assert later.get(run.id).status() == ("cancelled", "Enough.") and other in later.list()


def test_only_what_has_changed_is_read_again(store):
    runs = [make_run(store, "train", seed=seed) for seed in range(3)]
    waiting = store.create(TrainConfig())
    readings = ManifestReadings()
    for expected in ({run.id: 1 for run in [*runs, waiting]}, {}):
        with manifest_reads() as reads:
            seen = StoreSnapshot(store, readings)
            for run in [*seen.list(), *seen.list("train"), *map(seen.get, expected)]:
                assert run.manifest and run.config and run.state and run.results is not None
        assert {path.split("/")[-2]: n for path, n in reads.items()} == expected
    RunWriter(waiting).begin()
    with manifest_reads() as reads:
        StoreSnapshot(store, readings)
    assert list(reads.values()) == [1]


def test_a_benchmark_run_is_found_and_not_listed(store):
    run = make_run(RunStore(store.root / "benchmark"), "train")
    seen = StoreSnapshot(store, ManifestReadings())
    assert seen.list() == [] and seen.get(run.id).state == "done"


def test_a_corrupt_run_is_found_and_refused(store):
    run = make_run(store, "train", state="corrupt")
    seen = StoreSnapshot(store, ManifestReadings())
    assert "is not JSON" in seen.find(run.id).message
    for ask in (lambda: seen.get(run.id), lambda: seen.find(run.id).config):
        with pytest.raises(RunError, match="is not JSON"):
            ask()


def test_what_one_may_do_goes_by_the_disk(store):
    run = make_run(store, "train", state="running")
    early = StoreSnapshot(store, ManifestReadings()).get(run.id)
    RunWriter(run).cancel("Enough.")
    with pytest.raises(RunError, match="it is cancelled already"):
        early.cancel()
    early.delete()
    assert not run.path.exists()


def test_a_last_word_written_while_the_worker_went_is_heard(store, monkeypatch):
    run = make_run(store, "train", state="running")

    def dies_now(*process: object) -> bool:
        monkeypatch.undo()
        RunWriter(run).fail("The loss is no longer finite.")
        return False

    monkeypatch.setattr("ngf_core.runs.run.is_alive", dies_now)
    assert StoreSnapshot(store, ManifestReadings()).get(run.id).state == "failed"
