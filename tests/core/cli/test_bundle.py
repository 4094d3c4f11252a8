"""`ngf bundle`: made, opened elsewhere, and compared."""

import pytest

from ngf_core.bundle import opened
from ngf_core.bundle.unpack import unpack_here
from ngf_core.cli.main import main
from ngf_core.runs import RunStore
from ngf_core.runs.manifest import change_manifest
from tests.support.fabricated_runs import make_run


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("NGF_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(opened, "aside", lambda task, file, folder, **limits:
                        unpack_here(file, folder))
    return RunStore(tmp_path / "runs")


def computed(store, seed=0):
    run = make_run(store, "train", seed=seed)
    change_manifest(run.path, instructions="AVX2")
    return run


def test_out_and_in(store, tmp_path, monkeypatch, capsys):
    run = computed(store)
    assert main(["bundle", run.id]) == 0
    assert capsys.readouterr().out == f"{run.id}.zip\n"
    monkeypatch.setenv("NGF_RUNS", str(tmp_path / "other"))
    assert main(["bundle", "open", f"{run.id}.zip"]) == 0
    assert capsys.readouterr().out == f"{run.id}\n"
    assert RunStore(tmp_path / "other").get(run.id).manifest["foreign"]
    assert main(["bundle", "open", f"{run.id}.zip"]) == 0
    assert "is here already and stays as it is" in capsys.readouterr().err


def test_check_says_reproduced_or_what_differs(store, tmp_path, capsys):
    run = computed(store)
    main(["bundle", run.id, "--out", "a.zip"])
    again = computed(RunStore(tmp_path / "again"))
    capsys.readouterr()
    assert main(["bundle", "check", "a.zip", "--against", "again"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("reproduced: ") and out.endswith("numbers of 1 runs, equal\n")
    results = again.results
    change_manifest(again.path, results=results | {"poisoned": 1})
    assert main(["bundle", "check", "a.zip", "--against", "again"]) == 1
    out = capsys.readouterr().out
    assert f"{run.id}  poisoned  380     1      equal" in out and "not reproduced: 1 of" in out
    change_manifest(again.path, threads=9)
    assert main(["bundle", "check", "a.zip", "--against", "again"]) == 0
    out, err = capsys.readouterr()
    assert "within the stated spread" in out and "asr 15 points" in err


@pytest.mark.parametrize(("words", "says"), [
    (["no-such-run"], "There is no run no-such-run"),
    (["open", "a.zip", "b.zip"], "`open` takes one file, and 2 are named"),
    (["open", "none.zip"], "there is no file none.zip"),
    (["check", "none.zip", "--against", "nowhere"], "there is no folder nowhere")])
def test_bad_input_is_said(store, capsys, words, says):
    assert main(["bundle", *words]) == 2
    assert says in capsys.readouterr().err
