"""The ends of one race with other seeds: those of the very settings alone."""

from dataclasses import replace

import pandas as pd
import pytest

from ngf_core.config import PurifyConfig, TrainConfig
from ngf_core.config.command import command_line
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.evidence.repeats import repeats
from ngf_core.purify.settings import NGF
from ngf_core.runs.names import ZOO_ARCH
from tests.support import fabricated_benchmark

TRAINED = TrainConfig(attack="blend", seed=1, arch=ZOO_ARCH)
RACE = replace(ENTRANTS["ngf"].config("of seed 1", 1), methods=(
    ENTRANTS["ngf"].settings, ENTRANTS["sgd"].settings), evaluations=7, sharpness="off")


@pytest.fixture(scope="module")
def cells() -> pd.DataFrame:
    table = fabricated_benchmark.cells(("badnets", "blend"))
    received = (table["attack"] == "blend") & (table["entrant"] == "before") & (table["seed"] == 1)
    return table.assign(command=table["command"].mask(received, command_line(TRAINED)))


def test_each_method_has_its_ends_by_seed_however_often_it_was_evaluated(cells):
    found = repeats(RACE, TRAINED, cells)
    assert list(found) == ["ngf", "sgd"]
    rows = cells[(cells["attack"] == "blend") & (cells["entrant"] == "sgd")]
    assert {seed: (rate.hits, rate.n) for seed, rate in found["sgd"].items()} == {
        row["seed"]: (row["asr_hits"], row["asr_n"]) for _, row in rows.iterrows()}


def test_ablations_are_methods_of_their_own(cells):
    assert list(repeats(replace(RACE, batchnorm="frozen"), TRAINED, cells)) == ["ngf"]
    bounded = replace(RACE, methods=(NGF(kl_bound=100.0),))
    rows = cells[(cells["attack"] == "blend") & (cells["entrant"] == "ablate_trust_region")]
    assert [rate.hits for rate in repeats(bounded, TRAINED, cells)["ngf"].values()] == list(
        rows["asr_hits"])


@pytest.mark.parametrize("race", [
    replace(RACE, steps=99), replace(RACE, seed=2), replace(RACE, pool=8),
    replace(RACE, clean_fraction=0.04), replace(RACE, methods=(NGF(kl_bound=0.3),))])
def test_other_settings_repeat_nothing(cells, race: PurifyConfig):
    assert repeats(race, TRAINED, cells) == {}


@pytest.mark.parametrize("change", [{"poison_rate": 0.05}, {"epochs": 3}, {"attack": "badnets"},
                                    {"arch": "mini_preact_resnet"}, {"seed": 0}])
def test_a_model_of_other_settings_repeats_nothing(cells, change):
    assert repeats(RACE, replace(TRAINED, **change), cells) == {}


def test_one_seed_alone_is_no_spread(cells):
    assert repeats(RACE, TRAINED, cells[cells["seed"] == 1]) == {}
    assert repeats(RACE, TRAINED, cells[(cells["seed"] != 1) | (cells["entrant"] != "sgd")]
                   ).keys() == {"ngf"}
