"""Coefficients that are known come back; none is negative."""

import numpy as np
import pytest
from scipy.optimize import minimize

from ngf_core.scaling.fit import fitted
from ngf_core.scaling.model import predicted

TERMS = [{"1": 1, "a": 2e9, "b": 3e3}, {"1": 1, "a": 4e9, "b": 1e5}, {"1": 1, "a": 9e10, "b": 2e4},
         {"1": 1, "a": 5e8, "b": 7e5}]


def test_known_coefficients_are_found():
    true = {"1": 3.0, "a": 2e-9, "b": 4e-5}
    found = fitted(TERMS, [predicted(true, one) for one in TERMS])
    assert found == pytest.approx(true, rel=1e-6)


def test_errors_are_relative_and_no_coefficient_is_negative():
    measured = [5.0, 9.0, 300.0, 2.0]

    def loss(logs: np.ndarray) -> float:
        guess = dict(zip(("1", "a", "b"), np.exp(logs), strict=True))
        return sum((predicted(guess, one) / y - 1) ** 2
                   for one, y in zip(TERMS, measured, strict=True))

    found = fitted(TERMS, measured)
    least = min(minimize(loss, start, method="Nelder-Mead", options={
        "maxiter": 20_000, "xatol": 1e-10, "fatol": 1e-14}).fun
        for start in np.log([[1, 1e-9, 1e-5], [3, 3e-9, 1e-9], [1e-9, 1e-9, 1e-6]]))
    mine = sum((predicted(found, one) / y - 1) ** 2
               for one, y in zip(TERMS, measured, strict=True))
    assert min(found.values()) >= 0 and mine == pytest.approx(least, rel=1e-3)


def test_a_term_that_a_stage_lacks_is_zero_in_it():
    found = fitted([{"a": 2.0}, {"a": 1.0, "b": 4.0}], [6.0, 11.0])
    assert found == pytest.approx({"a": 3.0, "b": 2.0})
