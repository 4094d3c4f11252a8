"""NaN, too little memory and a clock that is set, met by real runs on tiny data."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from unittest.mock import patch

import psutil
import pytest
import torch
from torch import nn

from app.widgets.runs.run_table import run_frame
from ngf_core.execute import train as training
from ngf_core.models.build import build_model
from ngf_core.runs import jobs
from ngf_core.runs.process import is_alive, start_time
from tests.campaigns.starting import by_command
from tests.support.tiny_runs import made, train_config
from tests.support.waiting import until

# Moves the clock that a process is told by the seconds in the file CLOCK.
MOVED_CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, now);
    long moved = 0;
    FILE *file = id == CLOCK_REALTIME ? fopen(getenv("CLOCK"), "r") : NULL;
    if (file) { if (fscanf(file, "%ld", &moved) != 1) moved = 0; fclose(file); }
    now->tv_sec += moved;
    return failed;
}
"""
HOUR = 3600


def broken_in_epoch(epoch: int, arch: str, shape: tuple, classes: int, seed: int) -> nn.Module:
    """The network, one weight of which becomes infinite after `epoch` - 1 epochs of training."""
    model = build_model(arch, shape, classes, seed)
    modes: list[bool] = []

    def spoil(module: nn.Module, _inputs: tuple) -> None:
        if module.training and (not modes or not modes[-1]):
            modes.append(True)
            if modes.count(True) == epoch:
                next(module.parameters()).data.fill_(torch.inf)
        elif not module.training:
            modes.append(False)

    model.register_forward_pre_hook(spoil)
    return model


def test_a_training_whose_loss_becomes_nan_ends_with_a_sentence_and_its_curves(runs, monkeypatch):
    monkeypatch.setattr(training, "build_model", partial(broken_in_epoch, 2))
    run = made(train_config(epochs=3), runs)
    assert (run.state, run.message) == (
        "failed", "Training diverged in epoch 2: the loss is no longer finite. "
                  "Use a smaller learning rate (a tenth).")
    assert run.points()["step"].unique().tolist() == [1]
    assert not (run.path / "log.txt").exists() or "Traceback" not in (
        run.path / "log.txt").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is set on Linux only")
def test_a_real_job_that_runs_out_of_memory_names_the_limit(store, monkeypatch):
    monkeypatch.setenv("NGF_JOB_MEMORY_GB", "0.6")
    run = store.create(train_config(epochs=1, arch="preact_resnet18", batch_size=512))
    by_command(run)
    until(lambda: not run.live, seconds=120)
    assert run.state == "failed", run.message
    assert run.message.startswith("Out of memory at step 0 of 1; the curves until then are kept.")
    assert "raise the limit of 0.6 GB per job (NGF_JOB_MEMORY_GB)" in run.message


@pytest.fixture(scope="session")
def moved_clock(tmp_path_factory):
    """The library that moves the clock, for LD_PRELOAD."""
    folder = tmp_path_factory.mktemp("clock")
    (folder / "clock.c").write_text(MOVED_CLOCK)
    built = subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "clock.so",
                            folder / "clock.c", "-ldl"], capture_output=True, check=False)
    if built.returncode:
        pytest.skip("no C compiler")
    return folder / "clock.so"


@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD")
@pytest.mark.parametrize("moved", [HOUR, -HOUR])
def test_a_run_outlives_a_clock_that_is_set_while_it_computes(moved_clock, store, tmp_path, moved,
                                                              fake_worker):
    clock = tmp_path / "clock"
    clock.write_text("0")
    with patch.dict(os.environ, LD_PRELOAD=str(moved_clock), CLOCK=str(clock)):
        run = jobs.start(train_config(seed=1, epochs=20), store)  # 1: slow, see pretended_work
    until(lambda: run.progress() is not None)
    clock.write_text(str(moved))
    until(lambda: not run.live)
    assert run.state == "done", run.message
    manifest, (events, _) = run.manifest, run.events()
    jump = events[-1]["t"] - events[0]["t"]
    assert abs(jump - moved) < 60, "the worker saw the clock move"
    assert run.points()["step"].tolist() == list(range(1, 21))
    etas = [e["eta"] for e in events if e["type"] == "progress" and e["eta"] is not None]
    assert all(0 <= eta < 60 for eta in etas)
    assert (manifest["finished"] < manifest["started"]) == (moved < 0)
    (seconds,) = run_frame([run])["seconds"]
    assert not seconds < 0


def test_a_worker_is_alive_after_the_clock_was_set(tmp_path, monkeypatch):
    """The time of the machine's start, by the clock, is what moves with it; /proc is copied."""
    started = start_time(os.getpid())
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / str(os.getpid())).symlink_to(f"/proc/{os.getpid()}")
    stat = [f"btime {int(line.split()[1]) + HOUR}" if line.startswith("btime") else line
            for line in Path("/proc/stat").read_text().splitlines()]
    (proc / "stat").write_text("\n".join(stat) + "\n")
    before = psutil.Process().create_time()
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(proc))
    assert psutil.Process().create_time() - before == pytest.approx(HOUR, abs=2)
    assert is_alive(os.getpid(), started)
