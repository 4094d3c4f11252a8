"""The spread of a race over seeds: read from the table there is, or nothing."""

import pytest

from app import state
from app.read import spread
from app.read.spread import spread_of
from ngf_core.runs import RunStore
from tests.support import fabricated_benchmark
from tests.support.fabricated_runs import make_run
from tests.support.faked import faked


@pytest.fixture
def store(tmp_path, monkeypatch) -> RunStore:
    found = RunStore(tmp_path / "runs", tmp_path / "shipped")
    faked(monkeypatch, state, "store", lambda: found)
    monkeypatch.setenv("NGF_BENCHMARK", str(tmp_path))
    return found


def test_it_asks_with_the_race_and_the_training_behind_it(store, tmp_path, monkeypatch):
    table = fabricated_benchmark.cells(("blend",))
    table.to_parquet(tmp_path / "cells.parquet")
    race = make_run(store, "purify", attack="blend")
    asked = []
    faked(monkeypatch, spread, "repeats", lambda race, trained, cells:
          asked.append((race, trained, cells)) or {"ngf": {}})
    assert spread_of(race) == {"ngf": {}}
    config, trained, cells = asked[0]
    assert config == race.config and trained.attack == "blend" and len(cells) == len(table)


def test_without_a_table_or_a_training_there_is_none(store, tmp_path):
    race = make_run(store, "purify")
    assert spread_of(race) == {}
    (tmp_path / "cells.parquet").write_bytes(b"x")
    assert spread_of(race) == {}
    fabricated_benchmark.cells(("badnets",)).to_parquet(tmp_path / "cells.parquet")
    assert spread_of(race) == {}  # of other settings
    assert spread_of(make_run(store, "purify", source=make_run(store, "import").id)) == {}
