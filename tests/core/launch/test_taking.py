"""A worker takes a run alone, and goes on with one that stopped."""

import os

import pytest

from ngf_core.config import PurifyConfig, TrainConfig
from ngf_core.errors import RunError
from ngf_core.launch.taking import taken
from ngf_core.runs import Run, RunStore, RunWriter
from ngf_core.runs.job import note_job
from ngf_core.runs.manifest import change_manifest
from ngf_core.runs.process import start_time

CONFIG, ID = TrainConfig(epochs=3), "signs-badnets-s0-train"
DEAD = {"pid": 2**22 + 1, "pid_started": 1.0}


def take(store: RunStore, job: str | None = None, config=CONFIG, is_fine=lambda: False
         ) -> Run | None:
    return taken(store, ID, config, is_fine, job)


def left(store: RunStore, **entries: object) -> Run:
    """A run that another worker left in that state, with a file of its own."""
    run = store.create(CONFIG, ID)
    change_manifest(run.path, **entries)
    (run.path / "kept").touch()
    return run


@pytest.mark.parametrize("job", [None, "17_3"])
def test_a_new_one(store, job):
    run = take(store, job)
    assert run.manifest["job"] == job and run.manifest["state"] == "queued"
    assert run.config == CONFIG and run.id == ID


def test_one_that_is_fine_is_left_alone(store):
    assert take(store, is_fine=lambda: True) is None
    assert not (store.root / ID).exists()


def test_a_lost_one_goes_on(store):
    left(store, state="running", **DEAD)
    run = take(store, "17_3")
    assert (run.path / "kept").exists() and run.manifest["job"] == "17_3"
    assert run.manifest["state"] == "queued" and len(run.manifest["resumed"]) == 1


def test_a_job_that_starts_again_goes_on_with_its_own_run(store):
    here = os.getpid()  # the number may be in use here: it is another machine's
    left(store, state="running", job="17_3", pid=here, pid_started=start_time(here))
    run = take(store, "17_3")
    assert (run.path / "kept").exists() and len(run.manifest["resumed"]) == 1


@pytest.mark.parametrize("state", ["queued", "running"])
def test_no_other_job_takes_it(store, state):
    left(store, state=state, job="17_3", **DEAD)
    for job in ("18_3", None):
        with pytest.raises(RunError, match=f"Run {ID} is computed by job 17_3 already."):
            take(store, job)


def test_nor_another_process(store):
    here = os.getpid()
    left(store, state="running", pid=here, pid_started=start_time(here))
    with pytest.raises(RunError, match=f"Run {ID} is computed by another process already."):
        take(store, "17_3")


def test_one_that_never_began_is_taken(store):
    run = left(store)
    note_job(run, "17_3")
    run = take(store, "17_3")
    assert (run.path / "kept").exists() and run.manifest["resumed"] == []


@pytest.mark.parametrize("entries", [
    {"state": "failed", "message": "It diverged."}, {"state": "cancelled"}, {"state": "done"},
    {"state": "running", "engine": 0, **DEAD}])
def test_what_cannot_go_on_is_computed_afresh(store, entries):
    left(store, **entries)
    run = take(store)
    assert not (run.path / "kept").exists() and run.manifest["state"] == "queued"
    assert [path.name for path in store.root.iterdir() if path.is_dir()] == [ID]


def test_nor_does_one_of_other_settings(store):
    left(store, state="running", **DEAD)
    run = take(store, config=TrainConfig(epochs=4))
    assert not (run.path / "kept").exists() and run.config == TrainConfig(epochs=4)


def test_a_damaged_one_is_set_aside(store):
    run = left(store)
    (run.path / "manifest.json").write_text("{")
    assert take(store).manifest["state"] == "queued"
    assert (store.root / f".damaged-{ID}" / "manifest.json").read_text() == "{"
    assert not (run.path / "kept").exists() and store.list() == [run]


def test_a_purification_on_a_gpu_begins_again(store):
    RunWriter(source := store.create(TrainConfig(), "source")).begin()
    RunWriter(source).finish({})
    config = PurifyConfig(source="source")
    change_manifest(store.create(config, ID).path, state="running", device="cuda", **DEAD)
    (store.root / ID / "kept").touch()
    assert not (take(store, config=config).path / "kept").exists()
