"""The tables of what a sweep costs, and the fabricated one that is measured."""

import pytest

from benchmarks.sweeps import GRID, efficiency, fabricate, markdown, sweep_of
from ngf_core.sweep.grid import Grid
from ngf_core.sweep.states import counted
from ngf_core.sweep.table import sweep_table


def computed(workers: int, wall: float, cpu: float | None, launcher: str = "local") -> dict:
    return {"launcher": launcher, "workers": workers, "cells": 12, "wall": wall, "own": 150.0,
            "cpu": cpu, "load": 0.3, "overhead": 2.5, "import": 1.4}


def test_efficiency_is_a_share_of_the_ideal():
    assert efficiency(computed(1, 100.0, 90.0), computed(2, 50.0, 90.0)) == 1
    assert efficiency(computed(1, 100.0, 90.0), computed(2, 62.5, 95.0)) == pytest.approx(0.8)


def test_the_tables():
    row = {"cells": 2000, "peak_mb": 400, "import": 2.0, "import_cpu": 1.5, "status": 0.5,
           "status_cpu": 0.4, "plan": 1.0, "plan_cpu": 0.9}
    told = markdown({"overhead": [computed(2, 100.0, 90.0), computed(2, 100.0, None, "slurm")],
                     "growth": [row, row | {"submit": 9.0, "submit_cpu": 3.0, "queued": 1.0,
                                            "queued_cpu": 0.5}],
                     "efficiency": [computed(1, 100.0, 90.0), computed(2, 52.0, 92.0)]})
    overhead, growth, shared = (block.splitlines() for block in told.strip().split("\n\n"))
    assert overhead[2:] == ["| 12, local | 2 | 100 | 150 | 2.5 | 1.4 | 0.3 |",
                            "| 12, slurm | 2 | 100 | 150 | 2.5 | 1.4 | 0.3 |"]
    assert growth[2] == ("| 2,000 | 0.50 (0.40) | 1.00 (0.90) | not measured | not measured | "
                         "2.00 (1.50) | 400 |")
    assert "| 9.00 (3.00) | 1.00 (0.50) |" in growth[3]
    assert shared[3] == "| 12, on two workers | 52 | 92 | 0.96 | 0.3 |"
    assert {len(block[0].split("|")) - len(line.split("|")) for block in (overhead, growth, shared)
            for line in block} == {0}
    assert markdown({}) == "\n"


def test_a_fabricated_sweep_reads_as_a_real_one(tmp_path):
    sweep = sweep_of(tmp_path, Grid(**GRID, seeds=(0, 1)))
    fabricate(sweep)
    found = sweep.states()
    assert counted(found) == "10 done, 0 running, 0 queued, 2 failed, 8 missing"
    assert len(sweep_table(found, sweep.store)) == 10
