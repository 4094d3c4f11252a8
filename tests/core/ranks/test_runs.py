"""A run that two ranks compute: one of them is killed, and the run goes on."""

import re
import sys

import pytest
import torch

from ngf_core.cli.main import main
from ngf_core.runs import Run, RunStore, jobs
from ngf_core.runs.files import RECEIVED, model_file
from ngf_core.runs.process import start_time
from tests.core.ranks.conftest import needs_ranks
from tests.support.dying_rank import DYING
from tests.support.tiny_runs import made, train_config
from tests.support.waiting import until

CONFIG = train_config(attack="wanet", epochs=3, lr=0.002)


@needs_ranks
@pytest.mark.xdist_group("ranks")
def test_a_rank_that_dies_ends_the_others_and_the_run_goes_on(runs, tiny_data, tmp_path,
                                                              monkeypatch):
    store = RunStore(tmp_path / "runs", runs.root)
    monkeypatch.setattr(jobs, "WORKER", (sys.executable, "-m", "tests.support.dying_rank"))
    monkeypatch.setenv(DYING, "yes")
    run = ended(jobs.start(CONFIG, store, devices=2))
    manifest = run.manifest
    state, message = run.status()
    assert state == "failed" and re.fullmatch(
        "One of the 2 processes that computed this run ended at step [12] of 3; the curves until "
        rf"then are kept. The last lines of log.txt of run {run.id} may say why. Let the run go "
        "on, or start it again.", message), message
    assert (manifest["ranks"], manifest["nodes"], manifest["lacked"]) == (2, 1, "process")
    until(lambda: start_time(manifest["pid"]) is None)

    monkeypatch.delenv(DYING)
    ended(jobs.resume(run, store))
    assert run.status() == ("done", "") and len(run.manifest["resumed"]) == 1
    assert run.manifest["ranks"] == 2 and run.points()["step"].unique().tolist() == [1, 2, 3]
    alone = made(CONFIG, store)
    assert alone.manifest["ranks"] == 1
    name = model_file("train", RECEIVED)
    torch.testing.assert_close(run.tensors(name), alone.tensors(name), rtol=0, atol=2e-4)
    assert (run.arrays("poison")["indices"] == alone.arrays("poison")["indices"]).all()


def ended(run: Run) -> Run:
    until(lambda: not run.live, 120)
    return run


def test_a_run_on_several_nodes_waits_for_torchrun(store, monkeypatch, capsys):
    monkeypatch.setenv("NGF_RUNS", str(store.root))
    command = ["train", "--epochs", "1", "--devices", "2", "--nodes", "3", "--detach"]
    if pytest.importorskip("lightning_fabric") and torch.distributed.is_available():
        assert main(command) == 0
    out, told = capsys.readouterr()
    run = store.get(out.strip())
    assert run.status() == ("queued", "It waits for torchrun on each of 3 nodes.")
    assert (run.manifest["ranks"], run.manifest["nodes"], run.manifest["pid"]) == (6, 3, None)
    assert told.startswith("Run on each node: torchrun --nnodes 3 --nproc-per-node 2 ")
    assert told.strip().endswith(f"-m ngf_core.execute.worker {run.path}")


def test_what_cannot_be_shared_is_refused(store, monkeypatch, capsys):
    monkeypatch.setenv("NGF_RUNS", str(store.root))
    assert main(["train", "--devices", "0"]) == 2
    assert "devices: 0 is out of range" in capsys.readouterr().err
    assert not store.list()
