"""What the command refuses, what it goes on after, and what it never writes over."""

from types import SimpleNamespace

import pandas as pd
import pytest

from ngf_core.benchmark import command, floor
from ngf_core.benchmark.cells import cells
from ngf_core.cli import main
from ngf_core.errors import NGFError
from ngf_core.runs import RunStore
from tests.core.benchmark import made_up


@pytest.mark.parametrize(("given", "said"), [
    (["--workers", "0"], "workers: 0 processes do nothing"),
    (["--seeds", "0", "-1"], "seeds: -1 is negative"),
    (["--tables", "a/file"], "tables: nothing can be written in"),
])
def test_bad_input_is_refused_before_anything_is_computed(given, said, tmp_path, monkeypatch,
                                                          capsys):
    (tmp_path / "a").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "make_cell", lambda *_: pytest.fail("computed"))
    assert main(["benchmark", "--out", "out", "--tables", "tables", *given]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_named_twice_is_one_cell():
    twice = cells("signs", "mini_preact_resnet", ["blend", "blend"], ["clp"], [0, 0])
    assert [cell.run_id for cell in twice] == [
        "signs-none-s0-train", "signs-blend-s0-train", "signs-blend-s0-clp"]


def test_tables_that_would_lose_cells_are_left(tmp_path):
    table = made_up.cells(["blend"], [0], ["clp"]).assign(command="python -m ngf_core something")
    table.to_parquet(tmp_path / "cells.parquet")
    with pytest.raises(NGFError, match="has the tables of 1 cells, and 0 would be left"):
        command.write_tables([], RunStore(tmp_path / "runs"), tmp_path)
    assert pd.read_parquet(tmp_path / "cells.parquet").equals(table)


def _third_fails(number: int) -> None:
    if number == 3:
        raise NGFError("No number here.")


def test_a_measurement_that_fails_does_not_stop_the_others(capsys):
    tasks = [(number,) for number in range(5)]
    assert command._compute(_third_fails, tasks, workers=1) == 1
    said = capsys.readouterr()
    assert said.err == "3: No number here.\n" and "5/5" in said.out


def test_an_interrupted_write_leaves_no_half_of_a_floor(tmp_path, monkeypatch):
    run = SimpleNamespace(manifest={"files": {"model.safetensors": "digest"}})
    store = SimpleNamespace(root=tmp_path, get=lambda _: run)
    source = SimpleNamespace(models={"before": None}, dataset=SimpleNamespace(test=None),
                             attack=None)
    for name, answer in (("load_source", source), ("build_test_set", None), ("evaluate", None),
                         ("counts", {"asr": None})):
        monkeypatch.setattr(floor, name, lambda *_, answer=answer: answer)
    benign, backdoored = cells("signs", "mini_preact_resnet", ["blend"], [], [0])

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("os.replace", stopped)
        floor.floor(backdoored, benign, store)
    assert not list((tmp_path / "floors").iterdir())
    assert floor.floor(backdoored, benign, store) == {"asr": None}
