"""The worker of a cell, on tiny data: what it computes is the benchmark's cell."""

import json
from dataclasses import asdict, replace

import pytest

from ngf_core.evidence.cells import Cell, finished
from ngf_core.launch.slurm import JOB
from ngf_core.runs import RunStore
from ngf_core.runs.manifest import change_manifest
from ngf_core.sweep import worker

pytestmark = pytest.mark.xdist_group("sweep")  # later tests read the first one's runs
TRAIN = Cell("signs", "mini_preact_resnet", "badnets", 0, epochs=1)
SGD = replace(TRAIN, entrant="ablate_tuning")  # one step


@pytest.fixture(scope="module")
def here(tiny_data, tmp_path_factory) -> RunStore:
    return RunStore(tmp_path_factory.mktemp("sweep") / "runs")


def worked(cell: Cell, store: RunStore) -> int:
    return worker.main([str(store.root), json.dumps(asdict(cell))])


def test_a_cell_whose_model_is_not_there(here, capsys):
    assert worked(SGD, here) == 1
    assert capsys.readouterr().err == (
        f"It starts from {TRAIN.run_id}, which was missing when its turn came.\n")


def test_a_model_then_its_purification_each_once(here, monkeypatch):
    monkeypatch.setenv(JOB, "17_3")
    for cell in (TRAIN, SGD):
        assert worked(cell, here) == 0
        run = finished(cell, here)
        assert run is not None and run.manifest["job"] == "17_3"
        ended = run.manifest["finished"]
        assert worked(cell, here) == 0 and run.manifest["finished"] == ended


def test_a_failed_model_is_told_with_its_sentence(here, capsys):
    run = here.get(TRAIN.run_id)
    change_manifest(run.path, state="failed", message="It diverged.")
    assert worked(replace(SGD, entrant="sgd"), here) == 1
    assert capsys.readouterr().err.endswith("which was failed when its turn came. It diverged.\n")
    change_manifest(run.path, state="done", message="")


def test_a_model_that_ships_is_copied(here, tmp_path, monkeypatch):
    store = RunStore(tmp_path / "other")
    monkeypatch.setattr(worker, "default_store", lambda: RunStore(store.root, here.root))
    monkeypatch.setattr("ngf_core.launch.taking.work", lambda *_, **__: pytest.fail("computed"))
    assert worked(TRAIN, store) == 0
    assert finished(TRAIN, store) is not None
    assert [path.name for path in store.root.iterdir() if path.is_dir()] == [TRAIN.run_id]
