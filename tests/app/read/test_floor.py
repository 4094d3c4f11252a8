"""The floor of a run: that of the very settings behind it, or none."""

import pandas as pd
import pytest

from app import state
from app.read.floor import floor_of, floors
from ngf_core.config import TrainConfig
from ngf_core.config.command import command_line
from ngf_core.evaluate.rates import Rate
from ngf_core.runs import RunStore
from tests.support.fabricated_runs import make_run
from tests.support.faked import faked

ROWS = [("none", 0, "benign", 0, 0, ""), ("cba", 0, "benign", 156, 1000, ""),
        ("cba", 0, "before", 990, 1000, command_line(TrainConfig(attack="cba"))),
        ("cba", 1, "benign", 104, 1000, ""),  # its backdoored model is not in the table
        ("sig", 0, "benign", 0, 0, ""),
        ("sig", 0, "before", 900, 1000, command_line(TrainConfig(attack="sig")))]
TABLE = pd.DataFrame(ROWS, columns=["attack", "seed", "entrant", "asr_hits", "asr_n", "command"])


@pytest.fixture
def store(tmp_path, monkeypatch) -> RunStore:
    """An empty one, beside a benchmark with `TABLE`."""
    found = RunStore(tmp_path / "runs", tmp_path / "shipped")
    faked(monkeypatch, state, "store", lambda: found)
    TABLE.to_parquet(tmp_path / "cells.parquet")
    monkeypatch.setenv("NGF_BENCHMARK", str(tmp_path))
    return found


def test_each_trigger_has_the_floor_of_its_seed():
    assert floors(TABLE) == {ROWS[2][-1]: Rate(156, 1000)}


def test_a_run_of_any_kind_has_that_of_its_training(store):
    train = make_run(store, "train", attack="cba")
    race = make_run(store, "purify", source=train.id)
    assert floor_of(train) == floor_of(race) == Rate(156, 1000)


@pytest.mark.parametrize("other", [{"attack": "sig"}, {"attack": "cba", "seed": 1},
                                   {"attack": "cba", "poison_rate": 0.05}, {"attack": "none"}])
def test_other_settings_have_none(store, other):
    assert floor_of(make_run(store, "train", **other)) is None
    assert floor_of(make_run(store, "import", attack="badnets")) is None


def test_without_a_table_or_with_a_damaged_one_there_is_none(store, tmp_path):
    train = make_run(store, "train", attack="cba")
    (tmp_path / "cells.parquet").write_bytes(b"x")
    assert floor_of(train) is None
    (tmp_path / "cells.parquet").unlink()
    assert floor_of(train) is None


def test_a_table_that_was_written_anew_is_read_anew(store, tmp_path):
    train = make_run(store, "train", attack="cba")
    assert floor_of(train).hits == 156
    TABLE.assign(asr_hits=TABLE["asr_hits"] + 1).to_parquet(tmp_path / "cells.parquet")
    assert floor_of(train).hits == 157
