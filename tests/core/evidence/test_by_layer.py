"""Layers beside one another: on the same models, with their cost."""

import numpy as np
import pytest

from ngf_core.evidence.by_layer import LAYERS, by_layer
from ngf_core.evidence.measures import wide
from tests.support.fabricated_benchmark import cells

ATTACKS = ("badnets", "blend", "wanet")


def rows(told):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in told.splitlines()[2:]]


def test_layers_are_compared_on_the_models_that_have_them_all():
    table = cells(ATTACKS, entrants=[name for names in LAYERS.values() for name in names])
    gone = (table["entrant"] == "ablate_full_network") & (table["seed"] > 0)
    told = rows(by_layer(table[~gone]).partition("\n\n")[0])
    assert [row[:2] for row in told] == [
        [method, layer] for method in ("NGF", "SGD") for layer in ("last", "chosen by rule", "all")]
    assert [row[-1] for row in told] == ["3"] * 3 + ["9"] * 3
    asr = wide(table, "asr").xs(0, level="seed")
    assert float(told[1][3].split()[0]) == pytest.approx(100 * asr["ablate_auto_layer"].mean(),
                                                         abs=0.051)
    gap = 100 * (asr["ablate_auto_layer"] - asr["ngf"]).mean()
    assert float(told[1][5].split()[0].replace("−", "-")) == pytest.approx(gap, abs=0.051)
    assert told[0][5] == told[3][5] == ""
    seconds = wide(table, "cpu_seconds")["sgd_full_network"]
    assert float(told[5][7]) == pytest.approx(np.mean(seconds), abs=0.051)


def test_models_of_no_use_and_picks_of_the_last_layer_are_counted():
    table = cells(ATTACKS, (0,), [name for names in LAYERS.values() for name in names])
    ruined = (table["entrant"] == "sgd_full_network") & (table["attack"] != "wanet")
    table.loc[ruined, "acc_hits"] = table.loc[ruined, "acc_n"] * 49 // 100
    table.loc[(table["entrant"] == "ablate_auto_layer") & (table["attack"] == "blend"),
              "layer"] = "blocks.0.conv1"
    table, _, picks = by_layer(table).partition("\n\n")
    told = {tuple(row[:2]): row[6] for row in rows(table)}
    assert told["SGD", "all"] == "2" and told["NGF", "all"] == "0"
    assert picks == "The rule picks the last layer on 2 of 3 models."


def test_the_last_layer_alone_is_no_table():
    assert by_layer(cells(ATTACKS, entrants=("ngf", "sgd", "finetune"))) == ""


def test_the_layers_that_were_tuned_are_compared():
    told = rows(by_layer(cells(ATTACKS, entrants=("ngf", "sgd", "sgd_auto_layer"))))
    assert [row[:2] for row in told] == [["SGD", "last"], ["SGD", "chosen by rule"]]
