"""What the command refuses, what it goes on after, and what it never writes over."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest

from ngf_core.cli import benchmark as command
from ngf_core.cli.main import main
from ngf_core.data import fashion_mnist
from ngf_core.errors import NGFError
from ngf_core.evaluate.rates import Evaluation, Rate
from ngf_core.evidence import floor, sharpness
from ngf_core.evidence.cells import Cell, cells
from ngf_core.runs import RunStore
from ngf_core.runs.names import ZOO_ARCH
from ngf_core.sweep.sweep import Sweep
from tests.support import fabricated_benchmark, fabricated_claim

WANTED = list(cells("signs", ZOO_ARCH, ["blend"], ["clp"], [0]))


@pytest.mark.parametrize(("given", "said"), [
    (["--workers", "-1"], "workers: -1 is out of range"),
    (["--seeds", "0", "-1"], "seeds: -1 is negative"),
    (["--tables", "a/file"], "tables: nothing can be written in"),
    (["--epochs", "0"], "epochs: 0"),
    (["--limit", "-1"], "limit: -1"),
    (["--dataset", "fashion_mnist"], "Fashion-MNIST is not complete in"),
])
def test_bad_input_is_refused_before_anything_is_computed(given, said, tmp_path, monkeypatch,
                                                          capsys):
    (tmp_path / "a").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NGF_DATA", str(tmp_path / "no data"))
    monkeypatch.setattr(fashion_mnist, "INSTALLED", tmp_path / "not installed")
    monkeypatch.setattr(Sweep, "submit", lambda *_: pytest.fail("computed"))
    assert main(["benchmark", "--out", "out", "--tables", "tables", *given]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_named_twice_is_one_cell():
    twice = cells("signs", ZOO_ARCH, ["blend", "blend"], ["clp"], [0, 0])
    assert [cell.run_id for cell in twice] == [
        "signs-none-s0-train", "signs-blend-s0-train", "signs-blend-s0-clp"]


def test_a_model_of_other_training_has_a_name_and_settings_of_its_own():
    usual = Cell("signs", "mini_preact_resnet", "blend", 0)
    short = replace(usual, limit=500, epochs=10)
    assert short.run_id == f"{usual.model}-n500-e10-train"
    assert replace(usual, epochs=10, entrant="clp").run_id == f"{usual.model}-e10-clp"
    assert (short.asked().limit, short.asked().epochs) == (500, 10)
    assert replace(short, entrant="clp").asked().source == short.run_id
    assert short.settings() != usual.settings()
    assert {(cell.limit, cell.epochs) for cell in cells(
        "signs", "mini_preact_resnet", ["blend"], ["clp"], [0], 500, 10)} == {(500, 10)}


@pytest.fixture
def tables(tmp_path):
    """The tables of two made-up cells, one of them of other settings than today's."""
    cells = fabricated_benchmark.cells(["blend"], [0], ["clp", "anp"])
    cells.loc[cells.entrant == "clp", "settings"] = "other"
    cells.to_parquet(tmp_path / "cells.parquet")
    claim = fabricated_claim.claim(["blend"]).assign(weights="blend-0")
    claim[claim.model == "backdoored"].to_parquet(tmp_path / "claim.parquet")
    fabricated_claim.path(["blend"], {"ngf": 1.0}).assign(weights="").to_parquet(
        tmp_path / "path.parquet")
    return tmp_path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_tables_that_would_lose_cells_are_left(tables):
    before = contents(tables)
    with pytest.raises(NGFError, match="1 cells in .* and would be lost: signs-blend-s0-clp. Name"):
        command.write_tables(WANTED, RunStore(tables / "runs"), tables)
    assert contents(tables) == before


def test_a_report_that_fails_leaves_the_tables(tables, monkeypatch):
    cells = pd.read_parquet(tables / "cells.parquet")
    cells[cells.entrant != "clp"].to_parquet(tables / "cells.parquet")
    before = contents(tables)
    with monkeypatch.context() as patch, pytest.raises(NGFError, match="no report"):
        patch.setattr(command, "report", _no_report)
        command.write_tables(WANTED, RunStore(tables / "runs"), tables)
    assert contents(tables) == before
    command.write_tables(WANTED, RunStore(tables / "runs"), tables)
    assert sorted(contents(tables)) == ["cells.parquet", "claim.parquet", "path.parquet",
                                        "protocol.json", "report.md", "sizes.md"]


def _no_report(folder, *, whole):
    raise NGFError("no report")


@pytest.mark.parametrize(("name", "left"), [("cells", "claim"), ("claim", "path")])
def test_half_a_set_of_tables_is_told(name, left, tables):
    (tables / f"{name}.parquet").unlink()
    with pytest.raises(NGFError, match=f"has tables, but no {name}.parquet. Restore it"):
        command.write_tables(WANTED, RunStore(tables / "runs"), tables)
    assert (tables / f"{left}.parquet").exists()


def test_tables_of_another_network_are_refused_before_anything_is_computed(tables, tmp_path,
                                                                          monkeypatch, capsys):
    monkeypatch.setattr(Sweep, "submit", lambda *_: pytest.fail("computed"))
    assert main(["benchmark", "--out", str(tmp_path / "out"), "--tables", str(tables),
                 "--arch", "mini_vgg"]) == 2
    assert f"has those of signs {ZOO_ARCH}. Name another folder" in capsys.readouterr().err


def test_tables_of_other_training_are_refused(tables, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Sweep, "submit", lambda *_: pytest.fail("computed"))
    arch = pd.read_parquet(tables / "cells.parquet").arch[0]
    assert main(["benchmark", "--out", str(tmp_path / "out"), "--tables", str(tables),
                 "--arch", arch, "--epochs", "5"]) == 2
    assert "those of models trained with --limit 0 --epochs 20. Name" in capsys.readouterr().err


def test_tables_of_short_training_are_told_and_completed(tables):
    rows = pd.read_parquet(tables / "cells.parquet")
    wanted = [replace(cell, arch=rows.arch[0], limit=500, epochs=10) for cell in WANTED]
    rows["settings"] = [
        replace(wanted[0], attack=row.attack, entrant=row.entrant * (row.group != "model")
                ).settings(row.layer) for row in rows.itertuples()]
    rows.to_parquet(tables / "cells.parquet")
    command.write_tables(wanted, RunStore(tables / "runs"), tables)
    assert json.loads((tables / "protocol.json").read_text())["train"] == {"limit": 500,
                                                                           "epochs": 10}
    assert set(pd.read_parquet(tables / "cells.parquet").entrant) == {"benign", "before", "clp",
                                                                      "anp"}


def test_the_claim_at_all_sizes_is_written_beside_the_main_tables(tmp_path):
    folder = tmp_path / "sizes" / "signs-mini_preact_resnet"
    command.write_tables(WANTED, RunStore(tmp_path / "runs"), folder)
    assert "not been measured at any size" in (tmp_path / "sizes.md").read_text()
    assert not (folder / "sizes.md").exists()


def test_a_store_without_runs_makes_tables_that_can_be_completed(tmp_path):
    for _ in range(2):
        command.write_tables(WANTED, RunStore(tmp_path / "runs"), tmp_path / "tables")
    assert pd.read_parquet(tmp_path / "tables" / "cells.parquet").empty


def test_an_interrupted_write_leaves_no_half_of_a_floor(tmp_path, monkeypatch):
    store = SimpleNamespace(root=tmp_path, get=lambda _: None)
    source = SimpleNamespace(models={"before": None}, dataset=SimpleNamespace(test=None),
                             attack=None)
    for name, answer in (("load_trained", source), ("build_test_set", None),
                         ("weights_sha", "digest"),
                         ("evaluate", Evaluation(Rate(9, 10), None, None))):
        monkeypatch.setattr(floor, name, lambda *_, answer=answer: answer)
    benign, backdoored = cells("signs", ZOO_ARCH, ["blend"], [], [0])

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("os.replace", stopped)
        floor.floor(backdoored, benign, store)
    assert not list((tmp_path / "floors").iterdir())
    assert floor.floor(backdoored, benign, store)["acc"] == {"hits": 9, "n": 10}


def test_sharpness_of_another_setting_is_not_taken_over(tables):
    """Else two settings would stand under one name."""
    cells = pd.read_parquet(tables / "cells.parquet")
    cells[cells.entrant != "clp"].to_parquet(tables / "cells.parquet")
    told = {"images": sharpness.IMAGES, "probes": sharpness.PROBES,
            "tolerance": sharpness.TOLERANCE}
    for setting, taken in ((told | {"images": 50}, 0), (told, 2), (None, 0)):
        (tables / "protocol.json").write_text(json.dumps({"sharpness": setting}))
        kept = command._earlier(tables)["cells"]
        assert kept[kept.entrant.isin(["anp", "before"])].lambda_max.notna().sum() == taken
