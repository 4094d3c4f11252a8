"""Verdicts on frames whose answer is known: planted ratios, planted orders, bad values."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from ngf_core.errors import NGFError
from ngf_core.evidence.entrants import BY_RULE
from ngf_core.evidence.rank import Estimate, estimate
from ngf_core.evidence.verdict import (
    FAILS,
    HOLDS,
    OPEN,
    levels,
    log_ratios,
    model_correlations,
    path_correlations,
    verdict,
    verdicts,
)
from tests.support import fabricated_claim

ATTACKS = [f"attack {i}" for i in range(8)]


def claim(spread: float = 0.1, seed: int = 0, **factors: float) -> pd.DataFrame:
    return fabricated_claim.claim(ATTACKS, spread=spread, seed=seed,
                               factors=fabricated_claim.FACTORS | factors)


def one(table: pd.DataFrame, comparison: str) -> pd.Series:
    return table[(table.comparison == comparison) & (table.images == "held_out")
                 & (table.parameters == "all")].iloc[0]


@pytest.mark.parametrize("comparison, ratio, said, agree", [
    ("backdoored", 2.0, HOLDS, 8), ("ngf", 0.5, HOLDS, 8), ("finetune", 2.0, FAILS, 0)])
def test_planted_ratios_and_their_verdicts(comparison, ratio, said, agree):
    found = one(verdicts(claim()), comparison)
    assert found.low < ratio < found.high and found.ratio == pytest.approx(ratio, rel=0.1)
    assert (found.verdict, found.agree, found.attacks, found.n) == (said, agree, 8, 24)


def test_equal_models_are_not_resolved():
    said = [word for seed in range(10) for word in verdicts(claim(spread=0.5, seed=seed)).query(
        "comparison == 'sgd'").verdict]
    assert len(said) == 40 and said.count(OPEN) >= 34  # 95 % less four of its standard errors


def test_the_ratio_is_that_of_pairs_not_of_means():
    """Attacks differ a hundredfold in sharpness; within each the purified model is 0.8 as sharp."""
    frame = claim(spread=0.0)
    scale = frame.attack.map({a: 10.0 ** (i - 4) for i, a in enumerate(ATTACKS)})
    frame["value"] *= scale
    frame.loc[frame.model == "sgd", "value"] *= 0.8
    found = one(verdicts(frame), "sgd")
    assert found[["ratio", "low", "high"]].tolist() == pytest.approx([0.8] * 3)
    assert found.verdict == HOLDS


def test_the_interval_is_that_of_attacks_and_seeds():
    frame = claim(spread=0.4)
    wide = frame[(frame.images == "held_out") & (frame.parameters == "all")].pivot(
        index=["attack", "seed"], columns="model", values="value")
    truth = estimate(np.log(wide["ngf"] / wide["backdoored"]))
    found = one(verdicts(frame), "ngf")
    assert np.log([found.ratio, found.low, found.high]) == pytest.approx(
        [truth.mean, truth.low, truth.high])


def test_agreeing_attacks_are_counted_by_their_mean_over_seeds():
    frame = claim(spread=0.0)
    sharper = (frame.model == "ngf") & frame.attack.isin(ATTACKS[:3])
    frame.loc[sharper, "value"] *= 10
    frame.loc[sharper & (frame.seed == 0), "value"] /= 30  # one seed cannot turn an attack
    assert one(verdicts(frame), "ngf").agree == 5


@pytest.mark.parametrize("value", [-3.0, 0.0, math.nan, math.inf])
def test_pairs_without_a_ratio_are_left_out_and_counted(value):
    frame = claim(spread=0.0)
    hit = (frame.model == "ngf") & (frame.attack == ATTACKS[0]) & (frame.seed == 1)
    frame.loc[hit, "value"] = value
    found = one(verdicts(frame), "ngf")
    assert (found.n, found.left_out) == (23, 1) and found.ratio == pytest.approx(0.5)


def test_what_is_missing_is_not_made_up():
    frame = claim()
    part = frame[(frame.model != "finetune") & (frame.attack == ATTACKS[0]) & (frame.seed == 0)]
    table = verdicts(part)
    assert set(table.comparison) == {"backdoored", "ngf", "sgd", BY_RULE}
    assert set(table.verdict) == {OPEN} and set(table.n) == {1} and table.low.isna().all()
    assert verdicts(frame.iloc[:0]).empty and log_ratios(frame.iloc[:0]).empty


def test_a_reading_that_no_model_has_has_no_rows():
    """NGF on a layer chosen by rule is not measured over the layer of the others."""
    frame = claim(ngf=0.5, finetune=2.0)
    frame = frame[(frame.model != "finetune") | (frame.parameters == "all")]
    found = verdicts(frame)
    assert set(found[found.comparison == "finetune"].parameters) == {"all"}
    assert set(found[found.comparison == "ngf"].parameters) == {"all", "layer"}
    assert found.n.all()


def test_a_reading_without_any_ratio_is_left_out_and_counted():
    frame = claim()
    here = (frame.model == "sgd") & (frame.images == "held_out") & (frame.parameters == "all")
    frame.loc[here, "value"] = np.nan
    found = one(verdicts(frame), "sgd")
    assert (found.n, found.left_out, found.verdict) == (0, 24, OPEN)


def test_one_model_under_two_names_counts_once():
    """NGF on a layer chosen by rule is NGF's own model where the rule picks the same layer."""
    frame = claim()
    twice = frame[(frame.model == "ngf") & (frame.parameters == "all")].assign(model=BY_RULE)
    pd.testing.assert_frame_equal(model_correlations(pd.concat([twice, frame])),
                                  model_correlations(frame))


def test_the_verdict_needs_the_whole_interval_on_one_side():
    assert verdict(Estimate(1, 0.1, 2, 1, 9), 1) == HOLDS
    assert verdict(Estimate(1, 0.1, 2, 1, 9), -1) == FAILS
    assert verdict(Estimate(-1, -2, -0.1, 1, 9), -1) == HOLDS
    assert verdict(Estimate(1, 0.0, 2, 1, 9), 1) == OPEN
    assert verdict(Estimate(1, math.nan, math.nan, 1, 1), 1) == OPEN


def test_one_benign_model_behind_all_attacks_resolves_nothing():
    table = claim(spread=0.01)
    assert one(verdicts(table), "backdoored").verdict == HOLDS
    found = verdicts(table[table.seed == 0])
    assert one(found, "backdoored").verdict == OPEN and math.isnan(one(found, "backdoored").low)
    assert one(found, "ngf").verdict == HOLDS


@pytest.mark.parametrize(("attacks", "expected"), [(1, OPEN), (len(ATTACKS) // 2, HOLDS)])
def test_a_second_benign_model_counts_from_half_of_the_attacks(attacks, expected):
    table = claim(spread=0.01)
    few = table[(table.seed == 0) | (table.seed == 1) & table.attack.isin(ATTACKS[:attacks])]
    assert one(verdicts(few), "backdoored").verdict == expected


def test_levels_are_geometric_means_with_the_interval_of_the_logarithms():
    frame = claim(spread=0.3)
    frame.loc[(frame.model == "sgd") & (frame.attack == ATTACKS[0]), "value"] = -1.0
    table = levels(frame)
    assert list(table.model.unique()) == [
        "benign", "backdoored", "ngf", "sgd", "finetune", BY_RULE]
    mine = table[(table.images == "defender") & (table.parameters == "layer")].set_index("model")
    of = frame[(frame.model == "ngf") & (frame.images == "defender")
               & (frame.parameters == "layer")].set_index(["attack", "seed"]).value
    truth = estimate(np.log(of))
    assert np.log(mine.loc["ngf", ["value", "low", "high"]].astype(float)).tolist() == \
        pytest.approx([truth.mean, truth.low, truth.high])
    assert (mine.loc["sgd", "n"], mine.loc["sgd", "left_out"]) == (21, 3)
    assert mine.loc["finetune", "value"] == pytest.approx(200, rel=0.3)


def test_correlation_along_the_path_knows_its_sign():
    frame = fabricated_claim.path(ATTACKS, {"ngf": 1, "sgd": -1})
    found = path_correlations(frame).set_index(["entrant", "measure"])
    assert found.loc[("ngf", "lambda_max"), "rho"] == pytest.approx(1)
    assert found.loc[("sgd", "lambda_max"), "rho"] == pytest.approx(-1)
    assert found.loc[("ngf", "lambda_max"), "verdict"] == HOLDS
    assert found.loc[("sgd", "lambda_max"), "verdict"] == FAILS
    assert found.loc[("sgd", "fisher_trace"), "rho"] == pytest.approx(1)
    assert set(found.n) == {24}


def test_correlations_are_spearmans_and_average_over_runs():
    frame = fabricated_claim.path(ATTACKS, {"ngf": 1}, noise=0.5)
    each = {key: spearmanr(part.asr, part.lambda_max).statistic
            for key, part in frame.groupby(["attack", "seed"])}
    found = path_correlations(frame).iloc[0]
    assert found.rho == pytest.approx(np.mean(list(each.values())))
    assert -1 <= found.low < found.rho < found.high <= 1


def test_paths_that_cannot_be_ranked_are_left_out_and_counted():
    frame = fabricated_claim.path(ATTACKS, {"ngf": 1})
    first = frame.attack == ATTACKS[0]
    frame.loc[first & (frame.seed == 0), "asr"] = 0.5
    frame.loc[first & (frame.seed == 1) & (frame.step > 10), "lambda_max"] = np.nan
    found = path_correlations(frame).iloc[0]
    assert (found.n, found.left_out) == (22, 2) and found.rho == pytest.approx(1)


def test_correlation_over_the_models_of_an_attack():
    found = model_correlations(claim(spread=0.0, benign=1, ngf=2, finetune=3, sgd=4, backdoored=5))
    assert found.rho.tolist() == pytest.approx([1] * 4) and set(found.verdict) == {HOLDS}
    assert len(found) == 4 and set(found.n) == {24}


def test_a_row_that_is_there_twice_is_told():
    table = fabricated_claim.claim(["badnets"])
    with pytest.raises(NGFError, match="has a row twice"):
        verdicts(pd.concat([table, table]))
