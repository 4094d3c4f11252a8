"""Ranks and intervals on frames where the answer is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ngf_core.errors import NGFError
from ngf_core.evidence.rank import FEW, difference, estimate, rank_text, ranking

ATTACKS, SEEDS = 13, 3


def grid(attacks=ATTACKS, seeds=SEEDS):
    return pd.MultiIndex.from_product([[f"a{i}" for i in range(attacks)], range(seeds)],
                                      names=["attack", "seed"])


def frame(**columns):
    """Each column an array (attacks, seeds)."""
    shape = next(iter(columns.values())).shape
    return pd.DataFrame({name: values.ravel() for name, values in columns.items()}, grid(*shape))


def noise(seed, scale=1.0, shape=(ATTACKS, SEEDS)):
    return scale * np.random.default_rng(seed).normal(size=shape)


def spans(table):
    return {name: (row["first"], row["last"]) for name, row in table.iterrows()}


def test_one_seed_is_the_t_interval_over_attacks():
    values = noise(0, shape=(9, 1))
    found = estimate(frame(x=values)["x"])
    low, high = stats.t.interval(0.95, 8, values.mean(), stats.sem(values.ravel()))
    assert (found.mean, found.low, found.high) == pytest.approx((values.mean(), low, high))
    assert found.spread == pytest.approx(values.std(ddof=1)) and found.n == 9


def test_one_attack_is_the_t_interval_over_seeds():
    values = noise(1, shape=(1, 4))
    found = estimate(frame(x=values)["x"])
    low, high = stats.t.interval(0.95, 3, values.mean(), stats.sem(values.ravel()))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_seeds_that_only_repeat_the_attack_add_nothing():
    """Three copies of each attack's value are no more evidence than one."""
    once = noise(2, shape=(ATTACKS, 1))
    one, three = (estimate(frame(x=np.repeat(once, k, 1))["x"]) for k in (1, 3))
    assert (three.low, three.high) == pytest.approx((one.low, one.high))
    assert three.n == 3 * one.n


def test_the_interval_covers_the_truth_whichever_unit_varies():
    rng = np.random.default_rng(3)
    for attack, seed, cell in ((1, 0, 1), (1, 1, 1), (0.3, 0.3, 1), (0, 1, 0.5)):
        hits = 0
        for _ in range(200):
            values = (attack * rng.normal(size=(ATTACKS, 1)) + seed * rng.normal(size=(1, SEEDS))
                      + cell * rng.normal(size=(ATTACKS, SEEDS)))
            found = estimate(frame(x=values)["x"])
            hits += found.low <= 0 <= found.high
        assert hits / 200 > 0.90, (attack, seed, cell)  # 95 % less three standard errors


def test_with_two_seeds_the_interval_covers_less_where_these_vary_as_cells_do():
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(400):
        values = rng.normal(size=(1, 2)) + rng.normal(size=(14, 2))
        found = estimate(frame(x=values)["x"])
        hits += found.low <= 0 <= found.high
    assert 0.83 < hits / 400 < 0.94  # 88.5 %, give or take three standard errors


def test_a_single_cell_has_no_interval():
    found = estimate(frame(x=np.ones((1, 1)))["x"])
    assert found.mean == 1 and np.isnan(found.low) and found.sign == 0


def test_no_interval_passes_the_limits():
    values = frame(x=np.array([[0.0], [0.0], [0.3]]))["x"]
    free, cut = estimate(values), estimate(values, (0.0, 1.0))
    assert free.low < 0 and (cut.low, cut.high) == (0.0, free.high)
    alone = estimate(values[:1], (0.0, 1.0))
    assert np.isnan(alone.low) and np.isnan(alone.high)


def test_nothing_at_all_is_told_as_nothing():
    found = estimate(frame(x=np.full((2, 2), np.nan))["x"])
    assert found.n == 0 and np.isnan(found.mean) and found.sign == 0


def test_a_cell_twice_is_refused():
    values = frame(x=np.ones((2, 2)))["x"]
    with pytest.raises(NGFError, match="a cell twice"):
        estimate(pd.concat([values, values]))


def test_clear_gaps_have_their_own_ranks():
    table = frame(c=noise(0, 0.1), a=noise(1, 0.1) + 2, b=noise(2, 0.1) + 1)
    ranks = ranking(table, higher_is_better=True)
    assert spans(ranks) == {"a": (1, 1), "b": (2, 2), "c": (3, 3)}
    assert list(ranks.index) == ["a", "b", "c"] and ranks["place"].tolist() == [1, 2, 3]


def test_lower_may_be_better():
    table = frame(c=noise(0, 0.1), a=noise(1, 0.1) + 2, b=noise(2, 0.1) + 1)
    assert spans(ranking(table, higher_is_better=False)) == {
        "c": (1, 1), "b": (2, 2), "a": (3, 3)}


def test_a_full_tie_shares_all_ranks():
    same = noise(0)
    ranks = ranking(frame(a=same, b=same, c=same), higher_is_better=True)
    assert set(spans(ranks).values()) == {(1, 3)}


def test_a_chain_of_ties_is_not_one_tie():
    """A ~ B and B ~ C, but A is better than C."""
    swing = 3 * np.where(np.arange(ATTACKS) % 2, 1.0, -1.0)[:, None] + noise(4, 0.1)
    a, b, c = (level + np.zeros((ATTACKS, SEEDS)) for level in (1.0, 0.5 + swing, 0.0))
    table = frame(a=a, b=b, c=c)
    assert difference(table, "a", "b").sign == difference(table, "b", "c").sign == 0
    assert spans(ranking(table, higher_is_better=True)) == {"a": (1, 2), "b": (1, 3), "c": (2, 3)}


def test_hard_attacks_hurt_all_alike_so_pairs_are_resolved():
    """The means' own intervals overlap widely; paired on the cells the difference is plain."""
    hard = 5 * noise(5, shape=(ATTACKS, 1)) + np.zeros((1, SEEDS))
    ranks = ranking(frame(a=hard + 0.5 + noise(6, 0.1), b=hard + noise(7, 0.1)),
                    higher_is_better=True)
    assert ranks.loc["a", "low"] < ranks.loc["b", "high"]
    assert spans(ranks) == {"a": (1, 1), "b": (2, 2)}


def test_pairs_are_compared_on_the_cells_both_have():
    """B lacks the hard attacks: its mean looks better, cell by cell it is worse."""
    hard = np.zeros((ATTACKS, SEEDS))
    hard[8:] = -10
    a, b = hard + 1 + noise(8, 0.01), hard + noise(9, 0.01)
    b[8:] = np.nan
    ranks = ranking(frame(a=a, b=b), higher_is_better=True)
    assert ranks.loc["b", "mean"] > ranks.loc["a", "mean"]
    assert spans(ranks) == {"a": (1, 1), "b": (2, 2)}
    assert ranks["n"].to_dict() == {"a": 39, "b": 24}


def test_entrants_without_a_common_cell_share_all_ranks():
    a, b = noise(0), noise(1) + 9
    a[:6], b[6:] = np.nan, np.nan
    ranks = ranking(frame(a=a, b=b), higher_is_better=True)
    assert set(spans(ranks).values()) == {(1, 2)}


def test_an_entrant_without_cells_is_left_out():
    ranks = ranking(frame(a=noise(0), b=np.full((ATTACKS, SEEDS), np.nan)), higher_is_better=True)
    assert list(ranks.index) == ["a"] and spans(ranks) == {"a": (1, 1)}
    assert ranking(frame(a=noise(0)).iloc[:, :0], higher_is_better=True).empty


def test_rank_texts_sort_as_their_numbers():
    texts = [rank_text(2, 2), rank_text(10, 12), rank_text(1, 3)]
    assert sorted(texts) == [" 1–3", " 2", "10–12"]


def test_a_mean_of_few_cells_has_no_rank_and_changes_none():
    """One cell has no interval: nothing would be resolved against it."""
    values = noise(8, 0.1)
    table = frame(good=2 + values, bad=values, lucky=np.full(values.shape, np.nan),
                  some=np.full(values.shape, np.nan))
    table.iloc[:1, table.columns.get_loc("lucky")] = 9.0
    table.iloc[:FEW, table.columns.get_loc("some")] = 5.0
    found = ranking(table, higher_is_better=True)
    assert list(found.index) == ["some", "good", "bad", "lucky"]
    assert list(found["place"]) == [1, 2, 3, 4]
    assert spans(found)["lucky"] == (0, 0) and rank_text(0, 0) == ""
    without = ranking(table.drop(columns="lucky"), higher_is_better=True)
    assert spans(without) == {name: span for name, span in spans(found).items() if span[0]}


def test_where_all_have_few_cells_they_are_ordered_by_their_means():
    table = frame(low=np.zeros((1, 2)), high=np.ones((1, 2)))
    assert list(ranking(table, higher_is_better=True).index) == ["high", "low"]


@pytest.mark.parametrize("values, unit, signed, told", [
    ([0.2, 0.3], " %", False, "25.0 % [−38.5, 88.5]"),
    ([0.2, 0.3], " points", True, "+25.0 points [−38.5, +88.5]"),
    ([0.25], " %", False, "25.0 %"),
    ([-0.0001, -0.0001], "", False, "−0.0 [−0.0, −0.0]")])  # the sign says that it is below zero
def test_an_estimate_is_told_in_percent(values, unit, signed, told):
    assert estimate(frame(x=np.array([values]))["x"]).in_percent(unit, signed=signed) == told
