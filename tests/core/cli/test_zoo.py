"""`zoo check`: what is missing or out of date, on fabricated runs; of those that ship, nothing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from ngf_core.attacks import ATTACKS
from ngf_core.cli import zoo as command
from ngf_core.cli.main import main
from ngf_core.config import TrainConfig
from ngf_core.execute import zoo
from ngf_core.launch import taking
from ngf_core.runs import Run, RunStore, RunWriter, default_store
from ngf_core.runs.manifest import ENGINE, change_manifest, write_manifest
from ngf_core.runs.names import ZOO_ARCH
from tests.support.launching_here import launch_here

TRAIN = TrainConfig(attack="blend", arch=ZOO_ARCH)
RUNS = zoo.runs_on(TRAIN)


@pytest.fixture
def whole(tmp_path: Path) -> RunStore:
    """The five runs on one model, as a build leaves them, but without results."""
    store = RunStore(tmp_path / "zoo")
    for run_id in RUNS:
        fabricate(store, run_id)
    return store


def fabricate(store: RunStore, run_id: str, **changes: object) -> Run:
    run = store.create(replace(RUNS[run_id], **changes), run_id)
    writer = RunWriter(run)
    writer.begin()
    writer.finish({})
    return run


def checked(store: RunStore, capsys, *words: str) -> tuple[int, dict[str, list[str]], str]:
    """Exit code, state and reason of every run that is not fine, and the last line."""
    code = main(["zoo", "check", "--out", str(store.root), "--attack", "blend", *words])
    head, *rows, total = capsys.readouterr().out.splitlines()
    assert head.split() == ["run", "state", "why"]
    assert [row.split()[0] for row in rows] == list(RUNS)
    faults = {row.split()[0].rpartition("-")[2]: row.split(None, 1)[1] for row in rows}
    return code, {kind: why for kind, why in faults.items() if why != "fine"}, total


def test_a_whole_zoo_is_fine(whole, capsys):
    assert checked(whole, capsys) == (
        0, {}, "1 model, 0 missing, 0 unfinished, 0 with other settings, 0 stale")


def test_a_missing_run(whole, capsys):
    whole.get("signs-blend-s0-spectrum").delete()
    code, faults, total = checked(whole, capsys)
    assert (code, faults) == (1, {"spectrum": "missing"}) and "1 missing, 0 unfi" in total


def test_an_empty_zoo_lacks_every_run(tmp_path, capsys):
    code, faults, total = checked(RunStore(tmp_path / "none"), capsys)
    assert code == 1 and set(faults.values()) == {"missing"} and "5 missing" in total
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("state", "message", "says"), [
    ("failed", "Out of memory.", "unfinished failed. Out of memory."),
    ("cancelled", "Cancelled at step 3.", "unfinished cancelled. Cancelled at step 3."),
    ("running", "", "unfinished lost. The worker died before its first step. Let it go on, "
                    "or start it again.")])
def test_an_unfinished_run_with_its_message(whole, capsys, state, message, says):
    run = whole.get("signs-blend-s0-layers")
    change_manifest(run.path, state=state, message=message, pid=None)
    code, faults, total = checked(whole, capsys)
    assert code == 1 and " ".join(faults.pop("layers").split()) == says
    assert not faults and "0 missing, 1 unfinished, 0 with" in total


def test_a_manifest_that_cannot_be_read(whole, capsys):
    (whole.root / "signs-blend-s0-layers" / "manifest.json").write_text("{")
    code, faults, _ = checked(whole, capsys)
    assert code == 1 and "manifest.json of run signs-blend-s0-layers is not" in faults["layers"]


def test_other_settings_are_named(whole, capsys):
    whole.get("signs-blend-s0-layers").delete()
    fabricate(whole, "signs-blend-s0-layers", steps=40)
    code, faults, total = checked(whole, capsys)
    assert code == 1 and list(faults) == ["layers"] and "1 with other settings, 0 stale" in total
    assert faults["layers"].endswith("steps is 40 and not 50")


def test_the_settings_asked_for_are_those_compared(whole, capsys):
    code, faults, _ = checked(whole, capsys, "--epochs", "30")
    assert code == 1 and faults["train"].endswith("epochs is 20 and not 30")


@pytest.mark.parametrize("engine", [0, ENGINE + 1])
def test_another_engine_makes_a_run_stale(whole, capsys, engine):
    change_manifest(whole.get("signs-blend-s0-race").path, engine=engine)
    code, faults, total = checked(whole, capsys)
    assert code == 1 and faults.pop("race").endswith(
        f"made by engine {engine}; today's is {ENGINE}")
    assert not faults and total.endswith("0 with other settings, 1 stale")


def test_a_manifest_without_an_engine_is_of_engine_0(whole, capsys):
    run = whole.get("signs-blend-s0-race")
    manifest = run.manifest
    assert manifest.pop("engine") == ENGINE
    write_manifest(run.path, manifest)
    assert whole.get("signs-blend-s0-race").manifest["engine"] == 0
    assert checked(whole, capsys)[1]["race"].endswith(f"engine 0; today's is {ENGINE}")


def test_other_parameters_of_the_strength_make_a_training_stale(whole, capsys):
    change_manifest(whole.get("signs-blend-s0-train").path,
                    results={"parameters": {"alpha": 0.123}})
    code, faults, _ = checked(whole, capsys)
    assert code == 1 and faults == {
        "train": "stale  the attack's strength has other parameters today"}


def test_a_run_older_than_its_source_is_stale(whole, capsys):
    change_manifest(whole.get("signs-blend-s0-train").path, finished="2999-01-01T00:00:00.000Z")
    code, faults, _ = checked(whole, capsys)
    assert code == 1 and set(faults) == {"race", "layers"}
    assert faults["race"].endswith("older than signs-blend-s0-train, from which it starts")


def test_a_run_without_its_source_is_stale(whole, capsys):
    whole.get("signs-blend-s0-train").delete()
    _, faults, total = checked(whole, capsys)
    assert faults["train"] == "missing" and set(faults) == {"train", "race", "layers"}
    assert faults["race"].endswith("signs-blend-s0-train, from which it starts, is missing")
    assert "1 missing" in total and total.endswith("2 stale")


def test_some_kinds_and_json(whole, capsys):
    whole.get("signs-blend-s0-spectrum").delete()
    words = ["zoo", "check", "--out", str(whole.root), "--attack", "blend", "--json", "--kinds"]
    assert main([*words, "train", "race"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"run_id": f"signs-blend-s0-{kind}", "state": "fine", "why": ""}
        for kind in ("train", "race")]
    assert main([*words, "spectrum"]) == 1


def test_a_stale_run_is_made_again_and_one_of_other_settings_is_not(whole, monkeypatch, capsys):
    made = []
    monkeypatch.setattr(taking, "work", lambda run, store, waits: made.append(run.id) or RunWriter(
        run).finish({}))
    monkeypatch.setattr(zoo, "slim", lambda *_: None)
    launch_here(monkeypatch, command)
    build = ["zoo", "build", "--out", str(whole.root), "--attack", "blend"]
    change_manifest(whole.get("signs-blend-s0-train").path, engine=0)
    assert main(build) == 0
    # The others start from it: first what starts from the training, then what does from the race.
    train, race, spectrum, landscape, layers = RUNS
    assert made == [train, race, layers, spectrum, landscape]
    capsys.readouterr()
    assert checked(whole, capsys)[0] == 0
    change_manifest(whole.get("signs-blend-s0-layers").path, engine=0)
    assert main([*build, "--epochs", "7"]) == 2
    assert "is a finished run with other settings. Delete it" in capsys.readouterr().err
    assert len(made) == len(RUNS)


def test_a_dry_run_says_what_a_build_would_cost(whole, capsys):
    change_manifest(whole.get("signs-blend-s0-race").path, engine=0)
    assert main(["zoo", "build", "--out", str(whole.root), "--attack", "blend", "--dry-run"]) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == "5 cells: 2 are there, 0 are queued or running, 3 to compute."
    assert "core hours (1 core a cell; the longest takes" in second
    assert not (whole.root / ".sweep").exists()


def test_a_run_that_fails_is_told_and_so_are_those_that_start_from_it(tmp_path, monkeypatch,
                                                                      capsys):
    def work(run, store, waits):
        writer = RunWriter(run)
        if run.kind == "purify":
            writer.fail("It diverged.")
        else:
            writer.finish({})

    monkeypatch.setattr(taking, "work", work)
    monkeypatch.setattr(zoo, "slim", lambda *_: None)
    launch_here(monkeypatch, command)
    assert main(["zoo", "build", "--out", str(tmp_path / "zoo"), "--attack", "blend"]) == 1
    said = capsys.readouterr()
    race = "signs-blend-s0-race"
    assert said.err == f"{race}: It diverged.\n" + "".join(
        f"signs-blend-s0-{kind}: It starts from {race}, which was failed when its turn came. It "
        "diverged.\n" for kind in ("spectrum", "landscape"))
    assert "signs-blend-s0-layers: done" in said.out
    store = RunStore(tmp_path / "zoo")
    assert store.get(race).state == "failed" and not list(store.root.glob(".at-work-*"))


def test_two_builds_do_not_write_into_one_folder(whole, capsys):
    change_manifest(whole.get("signs-blend-s0-race").path, engine=0)
    (whole.root / ".sweep").mkdir()
    with FileLock(whole.root / ".sweep" / ".lock"):
        assert main(["zoo", "build", "--out", str(whole.root), "--attack", "blend"]) == 2
    assert "Another process submits or computes in" in capsys.readouterr().err


# ---- what ships


def test_the_whole_zoo_ships_as_a_build_would_make_it_today(capsys):
    code = main(["zoo", "check"])
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == (f"{len(ATTACKS) + 1} models, 0 missing, 0 unfinished, 0 with "
                                     "other settings, 0 stale"), said
    assert code == 0


def test_what_ships_is_of_todays_engine_and_of_clean_commits():
    told = [json.loads(path.read_text())
            for path in default_store().shipped.glob("*/manifest.json")]
    assert len(told) == 5 * (len(ATTACKS) + 1)
    assert {manifest["engine"] for manifest in told} == {ENGINE}
    assert [manifest["id"] for manifest in told if manifest["git"]["dirty"]] == []
