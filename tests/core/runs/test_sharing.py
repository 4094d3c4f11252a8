"""Several browsers at one store: shared requests, whose cancel stops, and what is refused."""

import io
import json
import os
import zipfile
from math import inf

import pytest

from ngf_core.config import TrainConfig
from ngf_core.errors import RunError
from ngf_core.runs import Run, RunWriter, archive, jobs
from ngf_core.runs.access import why_no_pause, why_not
from ngf_core.runs.manifest import SHA, change_manifest
from ngf_core.runs.room import refuse_full, room
from tests.support.fabricated_runs import make_run
from tests.support.faked import faked


@pytest.fixture(autouse=True)
def workers(monkeypatch) -> list[Run]:
    """The launched runs: they wait, with this process as their worker, so none may be signalled."""
    launched: list[Run] = []

    def launch(run):
        launched.append(run)
        RunWriter(run).wait("Place 1 of 1.")

    def cancel(run, term_after, kill_after):
        run.cancel()

    faked(monkeypatch, jobs, "launch", launch)
    faked(monkeypatch, jobs, "cancel", cancel)
    return launched


def ask(store, browser: str | None, seed: int = 0, again: bool = False) -> Run:
    return jobs.start(TrainConfig(seed=seed), store, browser, again)


def test_the_same_request_is_one_run(store, workers):
    first = ask(store, "a")
    assert ask(store, "b") == ask(store, "a") == first and workers == [first]
    assert first.manifest["askers"] == ["a", "b"]
    other = ask(store, "b", seed=1)
    assert other != first and workers == [first, other]


@pytest.mark.parametrize("browser", [None, "a"])
def test_a_restart_is_by_as_many_processes(store, workers, browser):
    run = make_run(store, "train")
    change_manifest(run.path, ranks=6, nodes=3)
    again = jobs.restart(run.now(), store, browser)
    assert (again.manifest["ranks"], again.manifest["nodes"]) == (6, 3)
    assert workers == [again] and again != run


def test_what_computes_is_shared_and_what_ended_is_not(store, workers):
    first = ask(store, "a")
    RunWriter(first).begin()
    assert ask(store, "b") == first
    RunWriter(first).fail("No.")
    assert ask(store, "b") != first


def test_what_is_finished_is_shared_until_it_is_asked_for_again(store, workers):
    first = make_run(store, "train")
    assert ask(store, "a") == first and workers == []
    other = ask(store, "a", again=True)
    assert other != first and workers == [other]
    assert ask(store, "b") == other, "what computes comes before what is finished"
    assert ask(store, None) != first, "the command line may ask twice"


def test_a_run_brought_from_elsewhere_is_not_taken_for_ones_own(store, workers):
    change_manifest(make_run(store, "train").path, foreign={})
    assert workers == [ask(store, "a")]


def test_a_run_that_is_being_cancelled_is_not_shared(store):
    first = ask(store, "a")
    first.cancel()
    assert ask(store, "b") != first


def test_a_run_of_the_command_line_is_shown_and_stays_its_own(store, workers):
    first = ask(store, None)
    assert ask(store, "a") == first and first.manifest["askers"] == []
    assert ask(store, None) != first, "the command line may ask twice"


def test_the_last_cancel_stops(store):
    run = ask(store, "a")
    ask(store, "b")
    assert jobs.withdraw(run, "a") is False
    assert run.manifest["askers"] == ["b"] and not (run.path / "cancel").exists()
    assert jobs.withdraw(run, "b") is True and (run.path / "cancel").exists()


def test_on_a_shared_server_others_may_not(store, monkeypatch):
    run, old = ask(store, "a"), make_run(store, "train", seed=1)
    assert why_not(run, "b") is None and why_no_pause(run, "b") is None
    monkeypatch.setenv("NGF_SHARED", "1")
    assert why_not(run, "a") is None
    assert "Only a browser that asked" in why_not(run, "b")
    assert "Only a browser that asked" in why_not(old, "a"), "the command line's"
    assert "hold up the others" in why_no_pause(run, "a")
    with pytest.raises(RunError, match=f"Run {run.id} stays as it is. Only a browser"):
        jobs.withdraw(run, "b")
    assert not (run.path / "cancel").exists()


def test_a_browser_has_so_many_waiting(store, monkeypatch):
    monkeypatch.setenv("NGF_MAX_WAITING", "2")
    first, second = ask(store, "a", 1), ask(store, "a", 2)
    with pytest.raises(RunError, match=r"You have 2 jobs waiting.*\(NGF_MAX_WAITING\)"):
        ask(store, "a", 3)
    assert ask(store, "a", 2) == second, "the same request takes no other place"
    ask(store, "b", 3)
    RunWriter(first).begin()
    ask(store, "a", 4)


def test_a_full_store_refuses(store, monkeypatch):
    run = make_run(store, "train")
    used = sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file())
    monkeypatch.setenv("NGF_CACHE", str(store.root.parent / "cache"))  # decoded images count too
    monkeypatch.setenv("NGF_STORE_GB", str((used + 100_000) / 1e9))
    ask(store, "a")
    (run.path / "large.npz").write_bytes(b"\0" * 100_000)
    with pytest.raises(RunError, match=r"\(NGF_STORE_GB\). Delete some runs on the Runs page"):
        ask(store, "a", 1)


def test_a_kept_run_cannot_be_deleted(store):
    run = make_run(store, "train")
    run.keep()
    with pytest.raises(RunError, match="is kept. Let it go before you delete it"):
        run.delete()
    run.let_go()
    run.delete()
    assert store.list() == []


def test_a_shipped_run_is_kept_for_good(store):
    made = make_run(store, "train")
    made.path.rename(store.shipped / made.id)
    run = store.get(made.id)
    assert run.kept and why_not(run, "a") == "It ships with NGF Lab."
    for change in (run.delete, run.let_go, run.keep):
        with pytest.raises(RunError, match="ships with NGF Lab"):
            change()


def test_a_zip_holds_settings_and_results(store):
    run, other = make_run(store, "train"), make_run(store, "train", seed=1)
    RunWriter(run).log("/a/path/of/this/machine")
    run.keep()
    with zipfile.ZipFile(io.BytesIO(archive.zipped([run, other]))) as content:
        names = set(content.namelist())
        manifest = json.loads(content.read(f"{run.id}/manifest.json"))
        assert manifest.pop(SHA) and manifest == run.manifest
        for name in run.manifest["files"]:
            assert content.read(f"{run.id}/{name}") == (run.path / name).read_bytes()
    assert names == {f"{r.id}/{name}" for r in (run, other)
                     for name in ("manifest.json", *r.manifest["files"])}


def test_what_cannot_be_zipped(store, monkeypatch):
    run = make_run(store, "train")
    with pytest.raises(RunError, match="is running. Wait until it ends"):
        archive.zipped([run, make_run(store, "train", state="running", seed=1)])
    monkeypatch.setattr(archive, "MAX_BYTES", run.size() - 1)
    with pytest.raises(RunError, match="Choose fewer"):
        archive.zipped([run])


def test_decoded_images_count_against_the_store(store, monkeypatch, tmp_path):
    """They lie in the cache folder, and no deleted run takes them along."""
    (tmp_path / "cache").mkdir()
    monkeypatch.setenv("NGF_CACHE", str(tmp_path / "cache"))
    decoded = tmp_path / "cache" / "upload-0.images"
    decoded.write_bytes(bytes(1_000_000))
    monkeypatch.setenv("NGF_STORE_GB", "1e-3")
    with pytest.raises(RunError, match=r"runs and decoded images here take 0.00\d+ GB"):
        ask(store, "a")
    os.utime(decoded, (0, 0))  # nothing has used it since
    ask(store, "a")
    assert not decoded.exists()


def test_a_cache_inside_the_store_counts_once(store, monkeypatch):
    store.prepare()
    monkeypatch.setenv("NGF_CACHE", str(store.root / "cache"))
    (store.root / "cache").mkdir()
    (store.root / "cache" / "a.images").write_bytes(bytes(1_000_000))
    monkeypatch.setenv("NGF_STORE_GB", "2e-3")
    used = sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file())
    assert room(store.root) == 2_000_000 - used
    monkeypatch.delenv("NGF_STORE_GB")
    assert room(store.root) == inf


def test_there_has_to_be_room_for_what_is_sent(store, monkeypatch):
    store.prepare()
    monkeypatch.setenv("NGF_STORE_GB", "1e-3")
    monkeypatch.setenv("NGF_CACHE", str(store.root / "cache"))
    refuse_full(store.root, 900_000)
    with pytest.raises(RunError, match="new jobs and uploads are refused"):
        refuse_full(store.root, 1_000_000)
