"""The spread over purification seeds beside that over training seeds."""

import json

import pytest

from benchmarks.purification_seeds import OUT, table
from ngf_core.evidence import TABLES, load
from ngf_core.evidence.measures import wide
from tests.support.fabricated_benchmark import cells


def row(preset, seed, asr, layout="contiguous"):
    return {"attack": "blend", "preset": preset, "seed": seed, "layout": layout, "asr": asr,
            "acc": 99.0, "ra": 50.0}


def test_each_spread_is_over_its_own_seeds():
    made = cells(("blend",), entrants=("ngf",))
    trained = 100 * wide(made, "asr")["ngf"]
    told = table([row("ngf", 0, 1.0), row("ngf", 1, 3.0), row("ngf", 0, 1.5, "channels_last"),
                  row("one_batch", 0, 2.0), row("one_batch", 1, 2.0),
                  row("one_batch", 0, 2.0, "channels_last")], made).splitlines()
    mine, other = ([cell.strip() for cell in line.strip("|").split("|")] for line in told[2:])
    assert mine[:3] == ["Blend", "running mean", "2.0 ± 1.4"] and mine[5] == "1.0 → 1.5"
    mean, deviation = map(float, mine[6].split(" ± "))
    assert mean == pytest.approx(trained.mean(), abs=0.051)
    assert deviation == pytest.approx(trained.std(), abs=0.051)
    assert other[1] == "one batch" and other[6] == ""


def test_the_table_that_ships_is_of_the_rows_and_cells_that_ship():
    assert OUT.with_suffix(".md").read_text() == table(json.loads(OUT.read_text())["rows"],
                                                       load("cells", TABLES))
