"""The script of docs/cluster.md on a real Slurm: srun starts torchrun on two nodes, which compute
one run."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ngf_core.runs import RunStore
from tests.core.ranks.conftest import needs_ranks
from tests.docs.pages import ROOT, blocks
from tests.support.slurm_cluster import running_cluster

TRAINING = "--dataset imagenet --root /data/imagenet --arch resnet50"
TINY = "--arch mini_preact_resnet --limit 20 --epochs 2 --batch-size 32"


@needs_ranks
@pytest.mark.xdist_group("slurm")
def test_two_nodes_train_one_model(tmp_path, monkeypatch):
    (script,) = (code for code in blocks(ROOT / "docs/cluster.md", "bash")
                 if "torchrun --nnodes" in code)
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    # The same on two nodes of one core each, without GPUs, and on a port that is free here.
    for written, here in (
            (TRAINING, TINY), ("--devices 4", "--devices 1"),
            ("--nproc-per-node 4", "--nproc-per-node 1"),
            (" --gpus-per-node 4 --cpus-per-task 32 --time 8:00:00", ""),
            ("OMP_NUM_THREADS=8", "OMP_NUM_THREADS=1"),
            ("srun --cpus-per-task 32", "srun --cpus-per-task 1"), (":29500", f":{port}")):
        assert written in script
        script = script.replace(written, here)
    path = tmp_path / "train.sh"
    path.write_text(script)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.delenv("NGF_RUNS", raising=False)
    (slurm := tmp_path / "slurm").mkdir()
    with running_cluster(slurm, nodes=2):
        done = subprocess.run(["sbatch", "--wait", "--output=out.txt", str(path)], cwd=tmp_path,
                              timeout=240, check=False)
    assert done.returncode == 0, (tmp_path / "out.txt").read_text()
    (run,) = RunStore(tmp_path / "runs", tmp_path).list("train")
    assert run.status() == ("done", ""), (tmp_path / "out.txt").read_text()
    assert (run.manifest["ranks"], run.manifest["nodes"]) == (2, 2)
    assert run.points()["step"].unique().tolist() == [1, 2]
