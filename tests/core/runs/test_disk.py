"""What is on the disk, in which order, and what dead processes have left there."""

import os
import sys
import time
from pathlib import Path

import pytest

from ngf_core.config import TrainConfig
from ngf_core.runs import RunWriter, disk
from ngf_core.runs.disk import replace_file, sweep
from ngf_core.runs.events import append_event, mend_events, read_events

DEAD = 2**22 + 1  # above the largest process id


@pytest.fixture
def synced(monkeypatch) -> list[str]:
    """The names of the files and folders that were synced, in order; a draft by its final name."""
    names, sync, rename, own = [], os.fsync, os.replace, f".{os.getpid()}"

    def noted(handle: int) -> None:
        name = Path(os.readlink(f"/proc/self/fd/{handle}")).name
        names.append(name[1:].removesuffix(own) if name.endswith(own) else name)
        sync(handle)

    def renamed(source: Path, target: Path) -> None:
        names.append("renamed")
        rename(source, target)

    monkeypatch.setattr(disk.os, "fsync", noted)
    monkeypatch.setattr(disk.os, "replace", renamed)
    return names


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="names of open files are read")


@on_linux
def test_a_replaced_file_survives_a_power_cut(tmp_path, synced):
    replace_file(tmp_path / "model", b"weights")
    assert synced == ["model", "renamed", tmp_path.name]


@on_linux
def test_a_new_run_survives_a_power_cut(store, synced):
    run = store.create(TrainConfig())
    assert synced[-1] == store.root.name and synced[0] == "manifest.json" and run.state == "queued"


@on_linux
def test_events_are_on_the_disk_before_what_rests_on_them(store, synced):
    writer = RunWriter(store.create(TrainConfig()))
    writer.begin()
    for act, file in ((lambda: writer.keep_part("epoch", 1), ".part-epoch.safetensors"),
                      (lambda: writer.fail("no memory", "memory"), "manifest.json"),
                      (lambda: writer.finish({}), "manifest.json")):
        writer.point("train", 1, 0.1, {"acc": 1.0}, {"acc": 10})
        synced.clear()
        act()
        assert synced.index("events.jsonl") < synced.index(file)


@on_linux
def test_single_events_are_not_synced(tmp_path, synced):
    append_event(tmp_path, "progress", done=1)
    assert synced == []


def test_a_folder_that_cannot_be_synced_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr(disk.os, "open", lambda *_: (_ for _ in ()).throw(OSError("a folder")))
    replace_file(tmp_path / "model", b"weights")
    assert (tmp_path / "model").read_bytes() == b"weights"


def test_old_drafts_of_dead_processes_are_swept(tmp_path):
    stale = [tmp_path / f".model.safetensors.{DEAD}", tmp_path / f".a-run.{DEAD}"]
    kept = [tmp_path / f".fresh.{DEAD}", tmp_path / f".of-the-living.{os.getpid()}",
            tmp_path / ".manifest.lock", tmp_path / ".part-epoch.safetensors", tmp_path / "1.5"]
    for path in (stale[0], *kept):
        path.touch()
    stale[1].mkdir()
    (stale[1] / "manifest.json").touch()
    old = time.time() - 4000
    for path in (*stale, *kept[1:]):
        os.utime(path, (old, old))
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_runs_and_their_folder_are_swept_by_the_way(store):
    run = store.create(TrainConfig())
    drafts = [store.root / f".a-run.{DEAD}", run.path / f".manifest.json.{DEAD}"]
    for path in drafts:
        path.touch()
        os.utime(path, (0, 0))
    assert store.list() == [run]
    RunWriter(run).begin()
    assert drafts[0].exists() and not drafts[1].exists()
    store.create(TrainConfig())
    assert not drafts[0].exists() and len(store.list()) == 2


def test_a_line_that_was_cut_off_does_not_spoil_the_next(tmp_path):
    append_event(tmp_path, "note", done=1)
    with open(tmp_path / "events.jsonl", "ab") as file:
        file.write(b'{"t": 1, "type": "poi')
    mend_events(tmp_path)
    append_event(tmp_path, "note", done=2)
    assert [event["done"] for event in read_events(tmp_path)[0]] == [1, 2]
