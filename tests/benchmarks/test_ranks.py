"""The table of what two processes save on one."""

import pytest

from benchmarks.ranks import markdown, share

ROW = {"network": "mini", "images": 300, "load": 0.1, "wall_1": 20.0, "cpu_1": 20.0,
       "wall_2": 12.0, "cpu_2": 24.0}


def test_a_process_s_share_of_what_one_computes_alone():
    assert share(ROW) == pytest.approx(0.6)
    assert share(ROW | {"cpu_2": 20.0}) == 0.5


def test_the_table():
    head, _, line = markdown([ROW]).splitlines()
    assert line == "| mini | 20.0 | 12.0 | 20.0 | 24.0 | 0.60 |"
    assert head.count("|") == line.count("|")
