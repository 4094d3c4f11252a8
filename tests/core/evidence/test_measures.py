"""One table a measure: what stands in it, and what is missing is missing."""

import numpy as np
import pandas as pd
import pytest

from ngf_core.errors import NGFError
from ngf_core.evidence.measures import MEASURES, wide
from tests.support.fabricated_benchmark import cells

TABLE = cells(("badnets", "blend"), (0, 1), ("ngf", "sgd"))


def only(table, **where):
    for name, value in where.items():
        table = table[table[name] == value]
    return table


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_is_one_number_a_cell(name):
    found = wide(TABLE, name)
    assert found.shape == (4, 4) and list(found.index.names) == ["attack", "seed"]
    assert found[["ngf", "sgd"]].notna().all(axis=None)
    assert set(found.dtypes) == {np.dtype("float64")}


def test_rates_are_hits_over_n():
    row = only(TABLE, attack="blend", seed=1, entrant="sgd").iloc[0]
    assert wide(TABLE, "asr").loc[("blend", 1), "sgd"] == row["asr_hits"] / row["asr_n"]


def test_the_drop_is_against_the_backdoored_model_of_the_same_cell():
    table = TABLE.copy()
    table.loc[(table["entrant"] == "before") & (table["attack"] == "blend"), "acc_hits"] = 900
    acc, drop = wide(table, "acc"), wide(table, "acc_drop")
    assert drop.loc[("blend", 0), "ngf"] == pytest.approx(0.9 - acc.loc[("blend", 0), "ngf"])
    assert drop.loc[("badnets", 0), "ngf"] == pytest.approx(0.99 - acc.loc[("badnets", 0), "ngf"])


def test_without_the_backdoored_models_no_drop_is_known():
    table = TABLE[TABLE["entrant"] != "before"]
    assert wide(table, "acc_drop")["ngf"].isna().all()


def test_missing_rows_and_empty_rates_are_missing():
    table = TABLE.drop(only(TABLE, attack="badnets", seed=0, entrant="ngf").index)
    table.loc[only(table, attack="blend", seed=0, entrant="ngf").index, ["asr_hits", "asr_n"]] = 0
    found = wide(table, "asr")["ngf"]
    assert found.isna().to_dict() == {("badnets", 0): True, ("badnets", 1): False,
                                      ("blend", 0): True, ("blend", 1): False}


def test_the_benign_model_without_a_trigger_is_no_cell():
    assert "none" in set(TABLE["attack"])
    assert "none" not in wide(TABLE, "acc").index.get_level_values("attack")


def test_the_table_survives_its_file(tmp_path):
    TABLE.to_parquet(tmp_path / "cells.parquet")
    back = pd.read_parquet(tmp_path / "cells.parquet")
    for name in MEASURES:
        pd.testing.assert_frame_equal(wide(back, name), wide(TABLE, name))


def test_a_cell_that_is_there_twice_is_told():
    with pytest.raises(NGFError, match="has a cell twice"):
        wide(pd.concat([TABLE, TABLE]), "asr")
