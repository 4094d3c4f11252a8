"""Creating, finding, listing and deleting runs."""

import re
import shutil

import pytest

from ngf_core.config import LandscapeConfig, PurifyConfig, SpectrumConfig, TrainConfig
from ngf_core.errors import ConfigError, RunError
from ngf_core.runs import RunStore, default_store
from ngf_core.runs.manifest import change_manifest
from tests.support.fabricated_runs import make_run


def test_ids_say_when_and_what(store):
    train = make_run(store, "train", dataset="digits", attack="wanet")
    purify = make_run(store, "purify", source=train.id)
    spectrum = store.create(SpectrumConfig(source=purify.id))
    for run, slug in ((train, "train"), (purify, "purify"), (spectrum, "spectrum")):
        assert re.fullmatch(rf"\d{{8}}-\d{{6}}-{slug}-digits-wanet-[0-9a-f]{{8}}", run.id)


def test_two_runs_of_one_config_are_two_runs(store):
    assert store.create(TrainConfig()).id != store.create(TrainConfig()).id


def test_a_bad_config_makes_no_folder(store):
    with pytest.raises(ConfigError, match="epochs"):
        store.create(TrainConfig(epochs=0))
    assert not store.root.exists()


@pytest.mark.parametrize("run_id", ["nothing", "..", "../shipped", "a/b", "", "A", "a\0b", ".lock",
                                    "/etc", "x" * 200, "manifest.json"])
def test_unknown_and_dangerous_ids(store, run_id):
    store.create(TrainConfig())
    with pytest.raises(RunError, match="There is no run .* here. It may have been deleted or made "
                                       "on another machine; the Runs page and "
                                       "`python -m ngf_core runs` list the runs that exist here."):
        store.get(run_id)


def test_a_path_to_a_real_run_is_no_id(store):
    run = store.create(TrainConfig())
    for path in (f"../runs/{run.id}", f"./{run.id}", f"{run.id}/", str(run.path)):
        with pytest.raises(RunError, match="There is no run"):
            store.get(path)


def test_list_is_newest_first_and_knows_kinds(store):
    made = [make_run(store, "train", seed=seed) for seed in range(3)]
    purify = make_run(store, "purify", source=made[0].id)
    assert store.list() == [purify, *reversed(made)]
    assert store.list("purify") == [purify]
    assert store.list("landscape") == []


def test_list_shows_corrupt_runs_with_their_sentence(store):
    good, bad = make_run(store, "train"), make_run(store, "train", state="corrupt")
    (store.root / "empty-folder").mkdir()
    (store.root / ".hidden").mkdir()
    (store.root / "not a run").mkdir()
    (store.root / "a-file").write_text("")
    listed = {run.id: run.state for run in store.list()}
    assert listed == {good.id: "done", bad.id: "corrupt", "empty-folder": "corrupt"}
    assert "manifest.json of run empty-folder is missing" in store.find("empty-folder").message
    assert store.list("train") == [good]


def test_no_folder_means_no_runs(tmp_path):
    assert RunStore(tmp_path / "none", tmp_path / "neither").list() == []


def test_latest_is_the_newest_finished_one_that_fits(store):
    first, second = make_run(store, "train"), make_run(store, "train")
    make_run(store, "train", state="failed")
    assert store.latest("train") == second
    assert store.latest("purify", "train") == second != first
    with pytest.raises(RunError, match="There is no finished purify run here yet"):
        store.latest("purify")


def test_source_must_be_here_fit_and_be_done(store):
    train, failed = make_run(store, "train"), make_run(store, "train", state="failed")
    purify = make_run(store, "purify", source=train.id)
    with pytest.raises(RunError, match="There is no run nowhere here"):
        store.create(PurifyConfig(source="nowhere"))
    with pytest.raises(ConfigError, match=f"run {purify.id} is a purify run. Name a train "
                                             "or import run"):
        store.create(PurifyConfig(source=purify.id))
    with pytest.raises(ConfigError, match=f"run {failed.id} is failed"):
        store.create(LandscapeConfig(source=failed.id))
    assert store.create(LandscapeConfig(source=purify.id)).manifest["source"] == purify.id


def test_shipped_runs_are_listed_and_cannot_be_changed(store):
    made = make_run(store, "train")
    shutil.move(made.path, store.shipped / made.id)
    run = store.get(made.id)
    assert run.shipped and run in store.list() and run.state == "done"
    for act, verb in ((run.cancel, "cancelled"), (run.pause, "paused"), (run.resume, "resumed"),
                      (run.delete, "deleted")):
        with pytest.raises(RunError, match=f"ships with NGF Lab and cannot be {verb}"):
            act()
    assert run.has("model")


def test_delete(store):
    done, running = make_run(store, "train"), make_run(store, "train", state="running")
    with pytest.raises(RunError, match="is running. Cancel it before you delete it."):
        running.delete()
    corrupt = make_run(store, "train", state="corrupt")
    corrupt.delete()
    done.delete()
    assert store.list() == [running]
    assert [p.name for p in store.root.iterdir() if p.name[0] != "."] == [running.id]


def test_default_store_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("NGF_RUNS", str(tmp_path / "mine"))
    assert default_store().root == tmp_path / "mine"
    monkeypatch.delenv("NGF_RUNS")
    monkeypatch.chdir(tmp_path)
    assert default_store().root == tmp_path / "runs"
    assert default_store().shipped.parts[-2:] == ("assets", "zoo")


def test_a_folder_that_vanishes_while_listed(store, monkeypatch):
    run = make_run(store, "train")
    shutil.rmtree(run.path)
    assert run.state == "corrupt" and run.results == {}


def test_lost_is_a_matter_of_pid_and_start_time(store):
    run = make_run(store, "train", state="running")
    assert (run.state, run.live, run.message) == ("running", True, "")
    started = run.manifest["pid_started"]
    change_manifest(run.path, pid_started=started - 60)
    assert run.state == "lost" and not run.live
    assert run.message == (f"The worker died at step 8 of {run.config.epochs}; the curves until "
                           "then are kept. Let it go on, or start it again.")
    (run.path / "cancel").touch()
    assert run.state == "cancelled"


def test_the_benchmarks_runs_are_found_but_not_listed(store):
    mine = RunStore(store.root / "benchmark").create(TrainConfig(), "signs-badnets-s0-train")
    assert store.list() == [] and store.get(mine.id).path == mine.path


def test_the_models_of_an_attack_check_are_not_listed(store):
    (store.root / "check" / "signs-badnets-s0-train").mkdir(parents=True)
    assert store.list() == []
