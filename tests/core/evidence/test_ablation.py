"""The ablation on made-up benchmarks whose answer is known."""

import math

import numpy as np
import pytest

from ngf_core.evidence.ablation import FULL, VARIANTS, carried, effects, values
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.evidence.rank import estimate
from tests.support.fabricated_benchmark import cells

ATTACKS = ("badnets", "blend", "sig", "wanet", "bpp")
TRIED = ("ngf", "sgd", "ablate_regulariser", "ablate_trust_region",
         "ablate_running_mean", "ablate_frozen_bn",
         "ablate_auto_layer", "ablate_full_network", "ablate_tuning")


def planted(**asr: float):
    """A benchmark in which full NGF's ASR spreads over the cells and a variant adds to it."""
    table = cells(ATTACKS, entrants=TRIED)
    rng = np.random.default_rng(3)
    keys = sorted(set(zip(table.attack, table.seed, strict=True)))
    full = {key: rng.integers(100, 400) for key in keys}
    for name in TRIED:
        mine = table.entrant == name
        table.loc[mine, "asr_hits"] = [
            int(full[attack, seed] + 900 * asr.get(name, 0.0))
            for attack, seed in zip(table.attack[mine], table.seed[mine], strict=True)]
    return table


def of(table, name: str, measure: str = "asr"):
    return next(effect for effect in effects(table, measure) if effect.variant == name)


def test_every_ablation_that_is_computed_is_shown_and_none_else():
    computed = {name for name, entrant in ENTRANTS.items() if entrant.group == "ablation"}
    assert set(VARIANTS) == computed | {"ngf", "sgd"} and list(VARIANTS)[0] == FULL == "ngf"


def test_a_planted_difference_is_found_though_cells_spread_more():
    found = of(planted(ablate_trust_region=0.1), "ablate_trust_region")
    assert found.minus_full.mean == pytest.approx(0.1) and found.minus_full.sign == 1
    assert found.minus_full.high - found.minus_full.low < 0.01 < found.own.spread
    assert found.minus_full.n == found.expected == 15


def test_the_interval_is_that_of_the_paired_differences():
    table = cells(ATTACKS, entrants=TRIED)
    wide = values(table, "ra")
    truth = estimate(wide["ablate_auto_layer"] - wide["ngf"])
    assert of(table, "ablate_auto_layer", "ra").minus_full == truth


def test_missing_cells_are_counted_and_never_made_up():
    table = planted(sgd=0.2)
    gone = (table.entrant == "sgd") & (table.attack == "blend")
    table = table[~gone & (table.entrant != "ablate_frozen_bn")]
    assert of(table, "sgd").minus_full.n == 12 and of(table, "sgd").expected == 15
    nothing = of(table, "ablate_frozen_bn")
    assert nothing.minus_full.n == 0 and math.isnan(nothing.own.mean)
    assert values(table, "asr").loc[("blend", 0), "sgd"] != values(table, "asr").loc[
        ("blend", 0), "sgd"]


def test_a_benchmark_that_has_just_begun_has_all_its_rows():
    table = planted()
    table = table[(table.entrant == "before") | (table.entrant == "benign")]
    assert len(values(table, "der")) == 15 and values(table, "der").isna().all(axis=None)


def test_the_sentence_says_what_is_resolved_and_what_is_not():
    table = planted(ablate_trust_region=0.12, ablate_full_network=-0.05)
    table = table[table.entrant != "ablate_auto_layer"]
    rng = np.random.default_rng(0)
    noisy = table.entrant == "ablate_regulariser"
    table.loc[noisy, "asr_hits"] += rng.integers(-90, 91, noisy.sum())
    table = table[table.entrant != "ablate_tuning"]
    said = carried(effects(table, "asr"), "ASR")
    assert "Without the trust region ASR rises by 12.0 points (95 %: 12.0 to 12.0, n = 15)." in said
    assert "On all layers ASR falls by 5.0 points (95 %: 5.0 to 5.0, n = 15)." in said
    assert said[-2:] == [
        "No difference in ASR is resolved: without the natural gradient, without the regulariser, "
        "with BatchNorm frozen, with the Fisher of one batch.",
        "Not computed yet: on a layer chosen by rule, with BatchNorm recalibrated and no tuning."]


def test_a_variants_own_interval_passes_no_limit_that_a_rate_has():
    table = planted()
    mine = table.entrant == "ablate_frozen_bn"
    table.loc[mine, "asr_hits"] = [0 if seed else 500 for seed in table.seed[mine]]
    own = of(table, "ablate_frozen_bn").own
    assert own.low == 0 < own.mean < own.high
    assert of(table, "ablate_frozen_bn").minus_full.low < 0
