"""A sweep on a Slurm that keeps accounts: why a job ended is known when squeue has forgotten it."""

import os
import signal

import pytest

from ngf_core.cli.main import main
from ngf_core.launch import slurm_queue
from ngf_core.runs import Run
from ngf_core.sweep import sweep
from ngf_core.sweep.sweep import sweep_in
from tests.support.pretended_cell import WORKER
from tests.support.slurm_cluster import running_cluster
from tests.support.waiting import until

pytestmark = [pytest.mark.xdist_group("slurm"), pytest.mark.timeout(300)]
GRID = """\
networks = ["mini_preact_resnet"]
attacks = ["badnets", "blend"]
methods = ["sgd"]
"""
NONE, BADNETS, BLEND = (f"signs-mini_preact_resnet-{attack}-s0-train"
                        for attack in ("none", "badnets", "blend"))


def test_sacct_tells_why_a_job_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "WORKER", WORKER)
    (tmp_path / "grid.toml").write_text(GRID)
    out = tmp_path / "out"
    (tmp_path / "slurm").mkdir()
    with running_cluster(tmp_path / "slurm", accounts=True) as cluster:
        main(["sweep", str(tmp_path / "grid.toml"), "--out", str(out), "--launcher", "slurm",
              "--partition", "cpu", "--minutes", "5", "--array-parallelism", "2"])
        none, blend = Run(out / NONE), Run(out / BLEND)
        until((none.path / "steps.json").exists, 60)
        os.kill(none.manifest["pid"], signal.SIGKILL)
        until((blend.path / "steps.json").exists, 60)
        cluster.ask("scancel", blend.manifest["job"])
        until(cluster.is_empty, 60)
        # Records arrive one by one, and the purification of a failed model fails as well.
        until(lambda: all(ended in cluster.ask(
            "sacct", "--noheader", "--allocations", "--parsable2", "--format=JobID,State")
            for ended in ("1_0|FAILED", "1_2|CANCELLED")), 60)
        monkeypatch.setattr(slurm_queue, "queued", lambda names: {})  # it has forgotten them
        found = {one.cell.run_id: one for one in sweep_in(out).struck()}
    assert found[BADNETS].state == "done"
    assert found[NONE].said.endswith("ended as FAILED.") and none.state == "lost"
    assert found[BLEND].said.endswith("ended as CANCELLED.") and blend.state == "lost"
