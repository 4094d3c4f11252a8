"""Rates, intervals and DER against scipy and sums by hand."""

import json
import math

import pytest
from scipy.stats import binomtest

from ngf_core.errors import ConfigError, RunError
from ngf_core.evaluate.rates import Evaluation, Rate, der, newcombe, wilson


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (0, 20), (20, 20), (3, 10), (950, 1000),
                                         (1, 100000), (999, 1000)])
def test_the_interval_is_wilsons(hits, n):
    truth = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    low, high = Rate(hits, n).interval
    assert low == pytest.approx(truth.low, abs=1e-6) and high == pytest.approx(truth.high, abs=1e-6)
    assert 0 <= low <= hits / n <= high <= 1


def test_other_levels():
    truth = binomtest(3, 10).proportion_ci(0.99, method="wilson")
    assert wilson(3, 10, 2.5758293) == pytest.approx(tuple(truth), abs=1e-6)


def test_a_rate_of_nothing():
    assert math.isnan(Rate(0, 0).value) and Rate(0, 0).interval == (0, 1)
    assert Rate(3, 4).value == 0.75


def evaluation(acc: int, asr: int | None) -> Evaluation:
    """Of 100 clean and 90 triggered images."""
    backdoored = asr is not None
    return Evaluation(Rate(acc, 100), Rate(asr, 90) if backdoored else None,
                      Rate(90 - asr, 90) if backdoored else None)


@pytest.mark.parametrize(("before", "after", "expected"), [
    ((95, 90), (95, 0), 1.0),               # (1 - 0 + 1) / 2
    ((95, 90), (85, 45), 0.7),              # (0.5 - 0.1 + 1) / 2
    ((95, 90), (95, 90), 0.5),
    ((90, 45), (95, 45), 0.5),              # a gain in accuracy is no defence
    ((95, 45), (95, 90), 0.5),              # nor is more ASR held against it twice
    ((95, 90), (20, 90), 0.125),            # (0 - 0.75 + 1) / 2
])
def test_der_by_hand(before, after, expected):
    assert der(evaluation(*before), evaluation(*after)) == pytest.approx(expected)


@pytest.mark.parametrize("pair", [(None, 3), (3, None)])
def test_der_needs_an_attack(pair):
    with pytest.raises(ConfigError, match="a benign model has none"):
        der(evaluation(90, pair[0]), evaluation(90, pair[1]))


def test_rates_by_name():
    assert list(evaluation(9, 3).rates()) == ["acc", "asr", "ra"]
    assert evaluation(9, None).rates() == {"acc": Rate(9, 100)}


@pytest.mark.parametrize("rate", [Rate(0, 0), Rate(0, 5), Rate(5, 5)])
def test_a_rate_travels_as_its_counts(rate):
    assert rate.to_json() == {"hits": rate.hits, "n": rate.n}
    assert Rate.from_json(json.loads(json.dumps(rate.to_json()))) == rate


def test_what_was_not_measured_is_no_rate():
    assert Rate.from_json(None) is None


@pytest.mark.parametrize("counts", [
    {"hits": 3, "n": 2}, {"hits": -1, "n": 2}, {"hits": 1.0, "n": 2}, {"hits": True, "n": 2},
    {"hits": 1}, {"hits": 1, "n": 2, "share": 0.5}, 0.5, [1, 2], "1 of 2", {"hits": None, "n": 2}])
def test_counts_that_are_no_rate_are_told(counts):
    with pytest.raises(RunError) as told:
        Rate.from_json(counts)
    assert str(told.value) == (f"{counts!r} is not a rate: a rate is "
                               "{\"hits\", \"n\"} with whole "
                               "numbers 0 <= hits <= n. Make the run again.")


def test_percent_in_words():
    assert Rate(1, 3).percent() == "33.3 %" and Rate(1, 3).percent(0) == "33 %"
    assert Rate(0, 0).percent() == "undefined" and Rate(0, 7).percent() == "0.0 %"


@pytest.mark.parametrize("asr", [None, 3])
def test_an_evaluation_travels_with_what_else_the_entry_holds(asr):
    mine = evaluation(9, asr)
    entry = json.loads(json.dumps(mine.to_json()))
    assert list(entry) == ["acc", "asr", "ra"] and (entry["asr"] is None) == (asr is None)
    assert Evaluation.from_json(entry | {"seconds": 3.0, "stopped": None}) == mine


def test_an_entry_without_acc_is_told():
    with pytest.raises(RunError, match="The entry with asr, seconds holds no ACC, so it is not"):
        Evaluation.from_json({"asr": {"hits": 1, "n": 2}, "seconds": 3.0})


@pytest.mark.parametrize(("one", "other", "low", "high"), [
    ((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090),
    ((6, 7), (2, 7), 0.0582, 0.8062), ((5, 56), (0, 29), -0.0381, 0.1926),
    ((0, 10), (0, 20), -0.1611, 0.2775), ((0, 10), (0, 10), -0.2775, 0.2775),
    ((10, 10), (0, 20), 0.6791, 1.0), ((10, 10), (0, 10), 0.6075, 1.0)])
def test_newcombe_gives_the_published_intervals(one, other, low, high):
    # Newcombe 1998, Table II, method 10.
    assert newcombe(Rate(*one), Rate(*other)) == pytest.approx((low, high), abs=6e-5)


def test_a_difference_from_nothing_has_no_interval():
    assert all(math.isnan(end) for end in newcombe(Rate(3, 4), Rate(0, 0)))


@pytest.mark.parametrize(("rate", "classes", "guessing"), [
    (Rate(100, 1000), 10, True),
    (Rate(118, 1000), 10, True),  # Wilson's lower end: 0.0995, and 0.1004 one hit further
    (Rate(119, 1000), 10, False),
    (Rate(6, 10), 2, True), (Rate(600, 1000), 2, False),
    (Rate(0, 0), 10, False), (Rate(1, 10), 0, False)])
def test_a_rate_whose_interval_reaches_guessing_is_at_chance(rate, classes, guessing):
    assert rate.at_chance(classes) is guessing
