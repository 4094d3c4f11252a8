"""The zoo's runs as tasks, and their worker, on runs that count instead of computing."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ngf_core.config import TrainConfig, from_json, to_json
from ngf_core.errors import RunError
from ngf_core.execute import worker, zoo
from ngf_core.launch import taking
from ngf_core.runs import Run, RunStore, RunWriter
from ngf_core.runs.manifest import change_manifest
from ngf_core.runs.names import ZOO_ARCH
from ngf_core.sweep import zoo_worker
from ngf_core.sweep.zoo import to_make
from tests.support import pretended_work
from tests.support.waiting import until

TRAIN = TrainConfig(attack="blend", arch=ZOO_ARCH, seed=2)


def fabricate(store: RunStore, *kinds: str) -> None:
    runs = zoo.runs_on(TRAIN)
    for kind in kinds:
        run = store.create(runs[f"signs-blend-s2-{kind}"], f"signs-blend-s2-{kind}")
        RunWriter(run).finish({})


def named(store: RunStore, kinds=zoo.KINDS) -> list[list[str]]:
    return [[one.run_id.removeprefix("signs-blend-s2-") for one in stage]
            for stage in to_make(store, [TRAIN], kinds)]


def test_a_stage_starts_from_those_before(store):
    assert named(store) == [["train"], ["race", "layers"], ["spectrum", "landscape"]]
    assert named(store, ("layers", "train")) == [["train"], ["layers"], []]
    tasks = {one.run_id.rpartition("-")[2]: one.task(store, store.root / ".sweep")
             for stage in to_make(store, [TRAIN]) for one in stage}
    assert {kind: task.needs for kind, task in tasks.items()} == {
        "train": (), "race": ("signs-blend-s2-train",), "layers": ("signs-blend-s2-train",),
        "spectrum": ("signs-blend-s2-race",), "landscape": ("signs-blend-s2-race",)}
    folder, run_id, config = tasks["race"].command.words[3:]
    assert (Path(folder), run_id) == (store.root, "signs-blend-s2-race")
    assert from_json(json.loads(config)) == zoo.runs_on(TRAIN)["signs-blend-s2-race"]


def test_what_is_there_is_left_out_and_what_starts_from_a_stale_run_is_not(store):
    fabricate(store, "train", "race", "layers", "spectrum")
    assert named(store) == [[], [], ["landscape"]]
    change_manifest(store.get("signs-blend-s2-race").path, engine=0)
    assert named(store) == [[], ["race"], ["spectrum", "landscape"]]
    change_manifest(store.get("signs-blend-s2-train").path, engine=0)
    assert named(store) == [["train"], ["race", "layers"], ["spectrum", "landscape"]]


def test_one_of_other_settings_is_not_replaced(store):
    fabricate(store, "train")
    with pytest.raises(RunError, match="is a finished run with other settings. Delete it"):
        to_make(store, [TrainConfig(attack="blend", arch=ZOO_ARCH, seed=2, epochs=3)])


def test_a_run_whose_source_is_not_there(store, capsys):
    race = zoo.runs_on(TRAIN)["signs-blend-s2-race"]
    assert zoo_worker.main([str(store.root), "signs-blend-s2-race",
                            json.dumps(to_json(race))]) == 1
    assert capsys.readouterr().err == ("It starts from signs-blend-s2-train, which was missing "
                                       "when its turn came.\n")


def test_a_killed_worker_leaves_the_old_run_and_the_next_goes_on(tmp_path, monkeypatch):
    store, slow = RunStore(tmp_path / "zoo"), TrainConfig(seed=pretended_work.SLOW, epochs=60)
    run_id = "slow-train"
    RunWriter(store.create(slow, run_id)).finish({})
    change_manifest(store.get(run_id).path, engine=0)
    words = [str(store.root), run_id, json.dumps(to_json(slow))]
    code = ("import sys; from ngf_core.execute import worker; from ngf_core.sweep import "
            "zoo_worker; worker.EXECUTES = dict.fromkeys(worker.EXECUTES, "
            "'tests.support.pretended_work'); raise SystemExit(zoo_worker.main())")
    killed = subprocess.Popen([sys.executable, "-c", code, *words], env=os.environ | {
        "PYTHONPATH": os.getcwd()})
    at_work = store.root / f".at-work-{run_id}" / run_id
    until((at_work / "events.jsonl").exists, 60)
    killed.send_signal(signal.SIGKILL)
    killed.wait(30)
    assert store.get(run_id).state == "done", "the run that others start from"
    assert Run(at_work).state == "lost"

    monkeypatch.setattr(zoo, "slim", lambda *_: None)
    monkeypatch.setattr(worker, "EXECUTES", dict.fromkeys(
        worker.EXECUTES, "tests.support.pretended_work"))
    monkeypatch.setattr(pretended_work, "STEP", 0)
    assert zoo_worker.main(words) == 0
    run = store.get(run_id)
    assert len(run.manifest["resumed"]) == 1 and zoo.is_there(store, run_id, slow)
    assert not at_work.parent.exists()


@pytest.fixture
def full_disk(monkeypatch):
    """The worker's frame with work that fails until it is told that there is room again."""
    room = []

    def work(run, store, waits):
        if room:
            RunWriter(run).finish({})
            return 0
        (run.path / ".part-1.safetensors").write_bytes(b"half")
        RunWriter(run).fail("The disk is full. Free some space and go on.", lacked="disk")
        return 1

    monkeypatch.setattr(zoo, "slim", lambda *_: None)
    monkeypatch.setattr(taking, "work", work)
    return room


def test_a_run_that_fails_leaves_the_finished_one_it_was_to_replace(store, full_disk, capsys):
    fabricate(store, "train")
    run_id = "signs-blend-s2-train"
    change_manifest(store.get(run_id).path, engine=0)
    words = [str(store.root), run_id, json.dumps(to_json(TRAIN))]
    assert zoo_worker.main(words) == 1
    assert "The disk is full." in capsys.readouterr().err
    assert store.get(run_id).state == "done"
    _goes_on_with_its_half(store, run_id, words, full_disk)


def test_a_run_that_failed_where_none_was_goes_on(store, full_disk):
    run_id = "signs-blend-s2-train"
    words = [str(store.root), run_id, json.dumps(to_json(TRAIN))]
    assert zoo_worker.main(words) == 1 and store.get(run_id).state == "failed"
    _goes_on_with_its_half(store, run_id, words, full_disk)


def _goes_on_with_its_half(store, run_id, words, full_disk):
    full_disk.append("room")
    assert zoo_worker.main(words) == 0
    run = store.get(run_id)
    assert zoo.is_there(store, run_id, TRAIN) and len(run.manifest["resumed"]) == 1
    assert not list(run.path.glob(".part-*")) and not list(store.root.glob(".at-work-*"))


def test_made_in_this_process_it_leaves_the_finished_one_too(store, monkeypatch):
    fabricate(store, "train")
    change_manifest(store.get("signs-blend-s2-train").path, engine=0)
    monkeypatch.setattr(zoo, "work", lambda run, _: RunWriter(run).fail("It diverged."))
    with pytest.raises(RunError, match="train is failed: It diverged. The finished run that it "
                                       "was to replace is kept."):
        zoo.make(store, "signs-blend-s2-train", TRAIN)
    assert store.get("signs-blend-s2-train").state == "done"
    assert not list(store.root.glob(".at-work-*"))


@pytest.mark.parametrize("there", ["stale", "none"])
def test_one_that_is_cancelled_in_this_process_ends_the_command(store, monkeypatch, there):
    if there == "stale":
        fabricate(store, "train")
        change_manifest(store.get("signs-blend-s2-train").path, engine=0)
    monkeypatch.setattr(zoo, "work", lambda run, _: RunWriter(run).cancel("By hand."))
    with pytest.raises(KeyboardInterrupt):
        zoo.make(store, "signs-blend-s2-train", TRAIN)
    assert not list(store.root.glob(".at-work-*"))
