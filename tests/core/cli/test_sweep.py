"""The command `sweep`: it says what it will do first, and starts nothing that cannot fit."""

import json

import pytest
from filelock import FileLock

from ngf_core.cli.main import main
from ngf_core.sweep import sweep
from ngf_core.sweep.cell_states import RUNNING
from ngf_core.sweep.grid import Grid
from ngf_core.sweep.sweep import sweep_in
from tests.support.fabricated_sweep import fabricated
from tests.support.fake_slurm import FakeSlurm
from tests.support.pretended_cell import FAILS, WORKER

GRID = """\
networks = ["mini_preact_resnet"]
attacks = ["badnets"]
methods = ["sgd"]
"""


@pytest.fixture
def command(tmp_path, monkeypatch):
    """sweep with these words, in a folder of its own, with workers that compute nothing."""
    (tmp_path / "grid.toml").write_text(GRID)
    monkeypatch.setattr(sweep, "WORKER", WORKER)

    def call(what: str, *words: str) -> int:
        what = str(tmp_path / what) if what.endswith(".toml") else what
        return main(["sweep", what, "--out", str(tmp_path / "out"), *words])

    return call


def test_a_dry_run_starts_nothing(command, tmp_path, capsys):
    assert command("grid.toml", "--dry-run") == 0
    first, second, third = capsys.readouterr().out.splitlines()
    assert first == "3 cells: 0 are there, 0 are queued or running, 3 to compute."
    assert second.startswith("About 0.") and "core hours (1 core a cell; the longest" in second
    assert third.startswith("  3 cells: By the scaling model, on one core: no such run has")
    assert not (tmp_path / "out").exists()


def test_a_sweep_here_its_status_its_table_and_what_failed_again(command, monkeypatch, capsys):
    monkeypatch.setenv(FAILS, "signs-mini_preact_resnet-none-s0-train")
    assert command("grid.toml", "--workers", "1") == 1
    said = capsys.readouterr().out
    assert "3 tasks were computed here, 1 at a time." in said
    assert "signs-mini_preact_resnet-none-s0-train  failed  The disk is full." in said
    assert "2 done, 0 running, 0 queued, 1 failed, 0 missing." in said
    assert command("status", "--json") == 1
    told = {one["run"]: one["state"] for one in json.loads(capsys.readouterr().out)}
    assert told == {"signs-mini_preact_resnet-none-s0-train": "failed",
                    "signs-mini_preact_resnet-badnets-s0-train": "done",
                    "signs-mini_preact_resnet-badnets-s0-sgd": "done"}
    assert command("table") == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert table[0] == ["dataset", "network", "attack", "seed", "method", "ACC", "ASR", "RA"]
    assert table[2][:5] == ["signs", "mini_preact_resnet", "badnets", "0", "sgd"]
    assert 0 <= float(table[2][5]) <= 100 and table[2][6:] == ["-", "-"], "nothing else is measured"

    monkeypatch.delenv(FAILS)
    assert command("status", "--resubmit", "--wait") == 0
    said = capsys.readouterr().out
    assert "2 are there, 0 are queued or running, 1 to compute" in said
    assert "1 task was computed here, 1 at a time." in said, "settings as before"
    assert "3 done" in said and "`sweep table` prints the results." in said
    assert command("grid.toml") == 0
    assert "There is nothing to compute." in capsys.readouterr().out


def test_on_slurm_it_submits_and_returns(command, tmp_path, capsys, fake_slurm: FakeSlurm):
    on_slurm = ("--launcher", "slurm", "--partition", "cpu", "--minutes", "600")
    assert command("grid.toml", *on_slurm) == 1
    said = capsys.readouterr().out
    assert "Submitted 3 tasks, as jobs 17, 17." in said
    assert len(fake_slurm.asked("sbatch")) == 2, "trainings, then purifications"
    assert "Job 17_0 is no longer in Slurm's queue." in said  # the fake has no jobs
    kept = sweep_in(tmp_path / "out").launch
    assert (kept.launcher, kept.partition, kept.minutes) == ("slurm", "cpu", 600)


def test_status_strikes_out_the_jobs_that_slurm_no_longer_has(command, tmp_path, capsys,
                                                              fake_slurm: FakeSlurm):
    grid = Grid(("badnets",), ("sgd",), networks=("mini_preact_resnet",))
    made = fabricated(tmp_path / "out", grid, lambda cell: RUNNING)
    fake_slurm.answers("squeue", made.squeue.replace("RUNNING", "CANCELLED"))
    runs = [made.sweep.store.get(cell.run_id) for cell in made.states]
    assert command("table") == 0
    assert [run.state for run in runs] == ["running"] * 3, "looking writes nothing"
    assert command("status") == 1
    assert "0 running, 0 queued, 3 failed" in capsys.readouterr().out
    assert [run.state for run in runs] == ["lost"] * 3


@pytest.mark.parametrize(("words", "said"), [
    (("--launcher", "slurm", "--partition", "gpu"), "partition: there is no partition gpu."),
    (("--launcher", "slurm", "--minutes", "1"), "minutes: a cell needs about "),
    (("--cores", "200"), "cores: 200 are more than the "),
    (("--partition", "cpu"), "partition: is for jobs of Slurm, and workers of this machine"),
    (("--json",), "json: only `sweep status` and `sweep table` print JSON"),
    (("--launcher", "lsf"), "launcher: 'lsf' is unknown. Choose one of local, slurm.")])
def test_what_cannot_be_is_refused_before_anything_starts(command, tmp_path, capsys, words, said,
                                                          fake_slurm: FakeSlurm):
    # A purification of the mini takes less than a minute.
    (tmp_path / "grid.toml").write_text(GRID.replace("mini_preact_resnet", "preact_resnet18"))
    assert command("grid.toml", *words) == 2
    assert capsys.readouterr().err.startswith(said)
    assert not (tmp_path / "out").exists() and not fake_slurm.asked("sbatch")


def test_two_sweeps_do_not_submit_into_one_folder(command, tmp_path, capsys):
    (tmp_path / "out" / ".sweep").mkdir(parents=True)
    with FileLock(tmp_path / "out" / ".sweep" / ".lock"):
        assert command("grid.toml") == 2
    assert "Another process submits or computes in" in capsys.readouterr().err
    assert command("status") == 2
    assert "No sweep was started in" in capsys.readouterr().err, "the refused one was not kept"


def test_a_slurm_that_does_not_answer_is_told(command, capsys, fake_slurm: FakeSlurm):
    command("grid.toml", "--launcher", "slurm", "--minutes", "600")
    fake_slurm.answers("squeue", error="Unable to contact slurm controller\n", code=1)
    capsys.readouterr()
    assert command("status") == 2
    assert "Slurm refused squeue: Unable to contact slurm controller" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("status", "--resubmit", "--launcher", "slurm"),
                                   ("table", "--cores", "2")])
def test_a_sweep_keeps_the_settings_that_it_was_started_with(command, capsys, words):
    assert command(*words) == 2
    assert f"launcher: `sweep {words[0]}` takes no settings of workers" in capsys.readouterr().err


def test_a_folder_without_a_sweep_and_one_whose_file_is_damaged(command, tmp_path, capsys):
    assert command("status") == 2
    assert "No sweep was started in" in capsys.readouterr().err
    assert command("other.toml") == 2
    assert "There is no file" in capsys.readouterr().err
    (tmp_path / "out" / ".sweep").mkdir(parents=True)
    for text in ("{", "[]", '{"grid": {}, "launch": {}}', '{"grid": {}, "launch": {"x": 1}}'):
        (tmp_path / "out" / ".sweep" / "sweep.json").write_text(text)
        assert command("table") == 2
        assert "sweep.json cannot be used (" in capsys.readouterr().err


