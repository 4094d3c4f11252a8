"""Rates, intervals and DER against scipy and sums by hand."""

import math

import pytest
from scipy.stats import binomtest

from ngf_core.errors import ConfigError
from ngf_core.evaluate.rates import Evaluation, Rate, der, wilson


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
