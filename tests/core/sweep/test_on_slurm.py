"""A sweep on a real Slurm, through scancel, kill -9, requeue, a drained node and a dead submitting
process, ends with the table of an uninterrupted one on this machine, and no step of a cell is taken
twice."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ngf_core.cli.main import main
from ngf_core.runs import Run
from ngf_core.sweep import sweep
from ngf_core.sweep.sweep import Sweep, sweep_in
from tests.support.pretended_cell import STEPS, WORKER
from tests.support.slurm_cluster import Cluster, running_cluster
from tests.support.waiting import until

pytestmark = [pytest.mark.xdist_group("slurm"), pytest.mark.timeout(600)]
GRID = """\
networks = ["mini_preact_resnet"]
attacks = ["badnets", "blend", "wanet"]
methods = ["ngf", "sgd", "finetune"]
seeds = [0, 1]
"""
CELLS = 2 * (4 + 3 * 3)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture
def grid(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setattr(sweep, "WORKER", WORKER)
    path = tmp_path / "grid.toml"
    path.write_text(GRID)
    return path


def words(grid: Path, out: Path) -> list[str]:
    return ["sweep", str(grid), "--out", str(out), "--launcher", "slurm", "--partition", "cpu",
            "--minutes", "5", "--array-parallelism", "2"]


def running(of: Sweep) -> list[Run]:
    """The runs whose worker computes."""
    runs = [of.store.root / one.cell.run_id for one in of.states() if one.state == "running"]
    return [Run(path) for path in runs if (path / "steps.json").exists()]


def one_running(of: Sweep, but: set[str]) -> Run:
    """The first run, other than `but`, that is seen computing."""
    found: list[Run] = []

    def is_there() -> bool:
        found.extend(run for run in running(of) if run.id not in but)
        return bool(found)

    until(is_there, 120)
    return found[0]


def test_a_sweep_through_everything_ends_as_an_uninterrupted_one(
        cluster, grid, tmp_path, capsys):
    out, here = tmp_path / "slurm", tmp_path / "local"

    # The submitting process dies when Slurm has the trainings, but before it knows their id.
    died = subprocess.run([sys.executable, "-m", "tests.support.dying_sweep", *words(grid, out)],
                          capture_output=True, text=True, timeout=120)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert f"{CELLS} cells: 0 are there, 0 are queued or running, {CELLS} to compute" in died.stdout

    # Another one submits the rest, and only that.
    assert main(words(grid, out)) == 0
    assert f"Submitted {CELLS - 8} tasks, as job " in capsys.readouterr().out
    of = sweep_in(out)

    # One job is cancelled, the worker of another killed, a third put back into the queue.
    cancelled = one_running(of, set())
    job = cancelled.manifest["job"]
    cluster.ask("scancel", job)
    killed = one_running(of, {cancelled.id})
    os.kill(killed.manifest["pid"], signal.SIGKILL)
    requeued = one_running(of, {cancelled.id, killed.id})
    cluster.ask("scontrol", "requeue", requeued.manifest["job"])

    # The node is drained, as before a repair: what computes ends well, the rest waits.
    at_work = one_running(of, {cancelled.id, killed.id, requeued.id})
    cluster.drain()
    found = {one.cell.run_id: one.state for one in of.states()}
    assert set(found.values()) == {"done", "queued", "failed"}
    assert found[at_work.id] == "done" and found[requeued.id] == "queued"
    waiting = {name for name, state in found.items() if state == "queued"}
    assert main(["sweep", "status", "--out", str(out), "--resubmit", "--dry-run"]) == 0
    assert f" {len(waiting)} are queued or running" in capsys.readouterr().out
    cluster.resume()
    until(cluster.is_empty, 300)

    found = {one.cell.run_id: one for one in of.states()}
    assert all(found[name].state == "done" or "It starts from" in found[name].said
               for name in waiting)
    ended = {name: one.said for name, one in found.items() if one.state == "failed"}
    assert {cancelled.id, killed.id} <= set(ended)
    assert f"Job {job} ended as CANCELLED." in ended[cancelled.id]
    assert "ended as FAILED." in ended[killed.id]
    assert found[requeued.id].state == "done" and len(requeued.manifest["resumed"]) == 1
    for name, said in ended.items():
        if name not in (cancelled.id, killed.id):  # what starts from one of them
            source = f"{name.rpartition('-')[0]}-train"
            assert said.startswith(f"It starts from {source}, which was ")
            assert source in (cancelled.id, killed.id)
    assert all(one.state == "done" for name, one in found.items() if name not in ended)

    # What failed is submitted again, and goes on where it stopped.
    assert main(["sweep", "status", "--out", str(out), "--resubmit"]) in (0, 1)
    until(cluster.is_empty, 300)
    assert main(["sweep", "status", "--out", str(out)]) == 0
    assert f"{CELLS} done, 0 running, 0 queued, 0 failed" in capsys.readouterr().out
    assert cancelled.manifest["resumed"] and killed.manifest["resumed"]

    counted = Counter((out / "counted.log").read_text().split("\n")[:-1])
    assert set(counted.values()) == {1}
    assert len(counted) >= CELLS * STEPS - 3  # a kill may fall between a step and its line

    assert main(["sweep", str(grid), "--out", str(here)]) == 0
    capsys.readouterr()
    tables = []
    for folder in (out, here):
        assert main(["sweep", "table", "--json", "--out", str(folder)]) == 0
        tables.append(json.loads(capsys.readouterr().out))
    assert len(tables[0]) == CELLS and tables[0] == tables[1]
    assert len({row["acc_hits"] for row in tables[0]}) > CELLS // 2
