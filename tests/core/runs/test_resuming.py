"""Runs that go on: which may, what they keep, and what their manifest says."""

import json
import sys

import psutil
import pytest
from filelock import FileLock, Timeout

from ngf_core.cli.main import main
from ngf_core.config import TrainConfig
from ngf_core.errors import RunError
from ngf_core.execute import worker
from ngf_core.runs import ManifestReadings, Run, RunWriter, StoreSnapshot, jobs
from ngf_core.runs.manifest import ENGINE, change_manifest
from ngf_core.runs.queue import usual_seconds
from ngf_core.runs.resuming import requeue, stopped_short, why_no_resume
from tests.support import pretended_work
from tests.support.fabricated_runs import make_run
from tests.support.waiting import until


def test_a_lost_run_goes_on_from_the_command_line(store, fake_worker, monkeypatch):
    monkeypatch.setenv("NGF_RUNS", str(store.root))
    run = store.create(TrainConfig(seed=pretended_work.QUICK, epochs=8))
    writer = RunWriter(run)
    writer.begin()
    for step in (1, 2, 3):
        writer.point("train", step, 100.0 * step, {"acc": step / 8}, {"acc": 100})
    (run.path / "pause").touch()
    change_manifest(run.path, pid=2**22 + 1, pid_started=1.0)
    assert run.state == "lost"
    before, created = run.points(), run.manifest["created"]
    assert main(["runs", "resume", run.id]) == 0
    manifest = run.manifest
    assert (run.state, manifest["created"], len(manifest["resumed"])) == ("done", created, 1)
    assert created < manifest["resumed"][0]["at"] < manifest["started"] < manifest["finished"]
    after = run.points()
    assert after["step"].tolist() == list(range(1, 9))
    assert after["seconds"].is_monotonic_increasing
    assert after[:len(before)].equals(before) and store.list() == [run]


@pytest.mark.parametrize(("behaviour", "lacked"), [
    (pretended_work.OUT_OF_MEMORY, "memory"), (pretended_work.REFUSES, None),
    (pretended_work.BREAKS, None)])
def test_a_failed_run_goes_on_where_it_lacked_something(store, monkeypatch, behaviour, lacked):
    monkeypatch.setattr(worker, "EXECUTES", {"train": "tests.support.pretended_work"})
    run = store.create(TrainConfig(seed=behaviour))
    RunWriter(run).keep_part("epoch", 1)
    worker.work(run, store)
    assert run.manifest["lacked"] == lacked and stopped_short(run) == (lacked is not None)
    # What nothing will go on from is not kept.
    assert RunWriter(run).part("epoch") == (1 if lacked else None)


def test_a_run_that_found_the_disk_full_goes_on(store):
    run = store.create(TrainConfig())
    writer = RunWriter(run)
    writer.begin()
    writer.fail("The disk is full.", "disk")
    requeue(run)
    manifest = run.manifest
    assert manifest["state"] == "queued" and manifest["message"] == ""
    assert all(manifest[key] is None for key in ("lacked", "pid", "pid_started", "finished"))


def test_each_time_that_it_goes_on_is_noted_with_what_computed_until_then(store):
    run = lost(store, changes={"instructions": "avx2"})
    requeue(run)
    change_manifest(run.path, state="failed", lacked="memory", instructions="avx512")
    requeue(run)
    assert [entry["instructions"] for entry in run.manifest["resumed"]] == ["avx2", "avx512"]


@pytest.mark.parametrize("state", ["queued", "running", "done", "failed", "cancelled"])
def test_other_runs_do_not_go_on(store, state):
    run = make_run(store, "train", state=state)
    with pytest.raises(RunError, match=f"Run {run.id} cannot go on. Only a run that is lost, or "
                                       f"failed for want .* can go on; this one is {state}"):
        jobs.resume(run, store)
    assert run.state == state


@pytest.mark.parametrize("state", ["done", "cancelled"])
def test_what_ended_after_it_had_lacked_something_does_not_go_on(store, state):
    run = make_run(store, "train", state=state)
    change_manifest(run.path, lacked="memory")
    assert not stopped_short(run) and f"this one is {state}" in why_no_resume(run)


def test_a_shipped_run_does_not_go_on(store):
    run = Run(make_run(store, "train", state="lost").path, shipped=True)
    assert not stopped_short(run) and "this one ships with NGF Lab" in why_no_resume(run)


def lost(store, kind: str = "train", changes: dict | None = None, **config: object) -> Run:
    run = make_run(store, kind, state="lost", **config)
    change_manifest(run.path, **changes or {})
    return run


def test_halves_of_two_versions_are_refused(store):
    run = lost(store)
    versions = run.manifest["versions"]
    assert why_no_resume(run) is None
    change_manifest(run.path, versions=versions | {"python": "3.10.0", "numpy": "1.0"})
    assert why_no_resume(run) is None
    change_manifest(run.path, engine=ENGINE - 1)
    assert why_no_resume(run) == (
        f"It was computed by engine {ENGINE - 1} and torch {versions['torch']}, and here is engine "
        f"{ENGINE} and torch {versions['torch']}: the two halves would not be of one run. Start it "
        "again.")
    change_manifest(run.path, engine=ENGINE, versions=versions | {"torch": "1.0"})
    assert f"engine {ENGINE} and torch 1.0, and here is" in why_no_resume(run)


def test_a_race_by_the_clock_or_on_a_gpu_is_refused(store):
    assert why_no_resume(lost(store, "purify")) is None
    # It died before it noted where it computes.
    assert why_no_resume(lost(store, "purify", {"device": None})) is None
    assert "Its methods stop by the clock" in why_no_resume(lost(store, "purify", seconds=5.0))
    changes = {"device": "cuda"}
    assert "On a GPU the same steps round" in why_no_resume(lost(store, "purify", changes))
    assert why_no_resume(lost(store, "train", changes)) is None


def test_without_its_source_it_does_not_go_on(store):
    run = lost(store, "purify")
    store.get(run.config.source).delete()
    with pytest.raises(RunError, match=f"There is no run {run.config.source} here"):
        jobs.resume(run, store)
    assert run.state == "lost" and run.manifest["resumed"] == []


def test_a_worker_that_cannot_be_started_leaves_it_as_it_was(store, monkeypatch):
    run = lost(store)
    before = run.manifest
    monkeypatch.setattr(jobs, "WORKER", (str(store.root / "nothing"),))
    with pytest.raises(FileNotFoundError):
        jobs.resume(run, store)
    assert run.manifest == before

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "launch", stopped)
    with pytest.raises(KeyboardInterrupt):
        jobs.resume(run, store)
    assert run.manifest == before


def test_who_asks_meanwhile_waits(store, monkeypatch):
    """Else two pages would start two workers in one folder."""
    def launch(run):
        with pytest.raises(Timeout):
            FileLock(store.root / ".asking.lock").acquire(timeout=0)

    monkeypatch.setattr(jobs, "launch", launch)
    assert jobs.resume(lost(store), store).state == "queued"


def test_it_goes_on_from_a_page_that_shows_it_as_lost(store, monkeypatch):
    monkeypatch.setattr(jobs, "WORKER", (sys.executable, "-c", "import time; time.sleep(60)"))
    seen = StoreSnapshot(store, ManifestReadings()).get(lost(store).id)
    found = jobs.resume(seen, store)
    assert (seen.state, found.state) == ("lost", "queued")
    psutil.Process(found.manifest["pid"]).kill()


def test_it_goes_on_on_as_many_threads(store, monkeypatch):
    monkeypatch.setattr(jobs, "WORKER", (
        sys.executable, "-c", "import os; print(os.environ['OMP_NUM_THREADS'])"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    run = lost(store, changes={"threads": 3})
    jobs.resume(run, store)
    until(lambda: (run.path / "log.txt").read_text() != "")
    assert (run.path / "log.txt").read_text() == "3\n"


def test_what_a_browser_may_let_go_on(store, monkeypatch):
    monkeypatch.setattr(jobs, "launch", lambda run: None)
    run = lost(store, changes={"askers": ["a"]})
    monkeypatch.setenv("NGF_READONLY", "1")
    with pytest.raises(RunError, match="NGF_READONLY"):
        jobs.resume(run, store)
    monkeypatch.delenv("NGF_READONLY")
    monkeypatch.setenv("NGF_SHARED", "1")
    with pytest.raises(RunError, match="Only a browser that asked for this run"):
        jobs.resume(run, store, "b")
    monkeypatch.setenv("NGF_MAX_WAITING", "1")
    waiting = store.create(TrainConfig(seed=5), askers=["a"])
    with pytest.raises(RunError, match="You have 1 job waiting"):
        jobs.resume(run, store, "a")
    waiting.delete() if not waiting.live else jobs.cancel(waiting).join()
    twin = make_run(store, "train", state="running")
    with pytest.raises(RunError, match=f"Run {twin.id} already computes the same"):
        jobs.resume(run, store, "a")
    change_manifest(twin.path, pid=None, state="cancelled")
    monkeypatch.setenv("NGF_STORE_GB", "1e-9")
    with pytest.raises(RunError, match="NGF_STORE_GB"):
        jobs.resume(run, store, "a")
    monkeypatch.delenv("NGF_STORE_GB")
    monkeypatch.delenv("NGF_SHARED")
    assert run.manifest["resumed"] == []
    jobs.resume(run, store, "b")
    assert (run.state, run.manifest["askers"]) == ("queued", ["a", "b"])


def test_a_page_that_still_shows_it_as_lost_does_not_start_it_twice(store, monkeypatch):
    monkeypatch.setattr(jobs, "launch", lambda run: None)
    run = lost(store)
    seen = StoreSnapshot(store, ManifestReadings()).get(run.id)
    jobs.resume(run, store)
    with pytest.raises(RunError, match="this one is queued"):
        jobs.resume(seen, store)
    assert seen.state == "lost" and len(run.manifest["resumed"]) == 1


def test_how_long_a_resumed_run_took_is_not_known(store):
    run = make_run(store, "train")
    assert set(usual_seconds([run.manifest])) == {"train"}
    change_manifest(run.path, resumed=[{"at": "2026-11-22T10:15:30.123Z", "instructions": None}])
    assert usual_seconds([run.manifest]) == {}


def test_manifests_of_before_are_read(store):
    run = make_run(store, "train")
    old = json.loads((run.path / "manifest.json").read_text())
    del old["resumed"], old["lacked"], old["manifest_sha"]
    (run.path / "manifest.json").write_text(json.dumps(old))
    assert (run.state, run.manifest["resumed"], run.manifest["lacked"]) == ("done", [], None)


def test_a_manifest_of_a_newer_schema_is_refused(store):
    run = make_run(store, "train")
    newer = json.loads((run.path / "manifest.json").read_text()) | {"schema": 3}
    (run.path / "manifest.json").write_text(json.dumps(newer))
    with pytest.raises(RunError, match="has schema 3, written by a newer NGF Lab; this version "
                                       "reads 1 and 2. Update NGF Lab to read it."):
        store.get(run.id)


def test_a_schema_that_no_version_has_is_damage_and_not_shown_at_length(store):
    run = make_run(store, "train")
    damaged = json.loads((run.path / "manifest.json").read_text()) | {"schema": 10**400}
    del damaged["manifest_sha"]
    (run.path / "manifest.json").write_text(json.dumps(damaged))
    with pytest.raises(RunError, match=r"has schema 10{39}, this version reads 1 and 2\. Delete"):
        store.get(run.id)


# ---- points that are computed again


@pytest.fixture
def second(store) -> RunWriter:
    """The second writer of a run whose first one left two points and half a line."""
    run = store.create(TrainConfig())
    first = RunWriter(run)
    first.begin()
    for step in (1, 2):
        first.point("train", step, 10.0 * step, {"acc": step / 4, "loss": float("nan")}, {"acc": 4})
    with open(run.path / "events.jsonl", "ab") as file:
        file.write(b'{"t": 1, "type": "poi')
    again = RunWriter(run)
    again.begin()
    again.note(device="cpu")
    return again


def test_no_point_is_written_twice_and_seconds_go_on(second):
    assert [second.point("train", step, 3.0 * step, {"acc": step / 4, "loss": float("nan")},
                         {"acc": 4}) for step in (1, 2, 3)] == [10.0, 20.0, 23.0]
    points = second.run.points()
    assert points[points["metric"] == "acc"]["seconds"].tolist() == [10.0, 20.0, 23.0]
    assert points[points["metric"] == "acc"]["value"].tolist() == [0.25, 0.5, 0.75]
    told = [event["state"] for event in second.run.events()[0] if event["type"] == "state"]
    assert told == ["running", "running"], "half a line spoils the next one"
    assert second.known("train", 2)["metrics"]["acc"] == 0.5 and not second.known("sgd", 2)


def test_a_point_that_comes_out_otherwise_is_told(second):
    with pytest.raises(RunError, match="The run cannot go on: train at step 2 gave acc = 0.25, and "
                                       "0.5 before the run stopped.*Start the run again"):
        second.point("train", 2, 1.0, {"acc": 0.25}, {"acc": 4})
    second.note(device="cuda")
    assert second.point("train", 2, 1.0, {"acc": 0.25}, {"acc": 4}) == 20.0
