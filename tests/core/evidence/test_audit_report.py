"""An audit in words: what the random plane shows, and where λ_max contradicts it."""

import math

import pytest

from ngf_core.evidence import audit_report as report
from tests.support.audited_pair import audited_pair


def seen(before: float, after: float, moved: float) -> str:
    """The sentences where the corners lie so high above the centre, and λ_max moves by a factor."""
    pair = audited_pair(plain=moved)
    for role, rise in (("before", before), ("after", after)):
        pair["plane"][role] = [[rise, 0, rise], [0, 0, 0], [rise, 0, rise]]
    return " ".join(report.plane(pair))


def test_the_plane_is_told_with_its_conditions():
    told = seen(9.0, 18.0, 2.0)
    assert "3 × 3 points: the mean loss lies 4 above the model before, 8 above" in told
    assert "−1 to 1 filter norms" in told and "The plane looks" not in told


@pytest.mark.parametrize("after, moved, words", [
    (4.5, 2.0, "The plane looks flatter after, and λ_max is larger"),
    (18.0, 0.5, "The plane looks sharper after, and λ_max is smaller"),
])
def test_where_it_contradicts_lambda_max_the_reason_is_given(after, moved, words):
    told = seen(9.0, after, moved)
    assert words in told and "two directions among 1,234" in told


def test_a_lambda_max_that_is_not_resolved_contradicts_nothing():
    assert "The plane looks" not in seen(9.0, 4.5, 1.2)  # log 1.2 is below 1.96 errors of 0.1


@pytest.mark.parametrize("broken", [None, math.nan, math.inf])
def test_a_plane_with_a_loss_that_is_not_finite_has_no_mean(broken):
    pair = audited_pair()
    pair["plane"]["after"] = [[1.0, 1.0, broken], [1.0, 0.1, 1.0], [1.0, 1.0, 1.0]]
    (told,) = report.plane(pair)
    assert told.endswith("not defined above the model after.")


def test_an_audit_of_an_earlier_version_is_told_without_a_plane():
    pair = audited_pair()
    del pair["plane"]
    assert report.plane(pair) == [] and "random plane" not in report.text([pair])
