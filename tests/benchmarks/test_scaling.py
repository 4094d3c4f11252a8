"""The scaling model is the one that the measurements give; the tested size has no part in it."""

import copy
import json

import pytest

from benchmarks.scaling.__main__ import RESULTS
from benchmarks.scaling.report import BOUND, errors, fit, page
from benchmarks.scaling.sizes import SIZES, TESTED, stage_of
from ngf_core.scaling.model import FITTED
from ngf_core.scaling.stages import STAGES

MEASURED = json.loads((RESULTS / "scaling.json").read_text())["measured"]


def test_what_ships_is_what_was_fitted():
    shipped, found = json.loads(FITTED.read_text()), fit(MEASURED)
    for name in STAGES:
        for what in ("seconds", "bytes"):
            assert shipped[name][what] == pytest.approx(found[name][what], rel=1e-6)


def test_the_tables_are_those_of_the_measurements():
    assert (RESULTS / "scaling.md").read_text() == page(MEASURED)


def test_the_fit_does_not_see_the_tested_size():
    other = copy.deepcopy(MEASURED)
    for name in STAGES:
        other[name][TESTED] = {"seconds": 1e9, "bytes": 1e15}
    assert fit(other) == fit(MEASURED)


def test_the_tested_size_is_beyond_all_others():
    for name in STAGES:
        *seen, last = (stage_of(name, size) for size in SIZES)
        for term, value in last.time.items():
            if term in ("multiply-adds", "pixels decoded", "bytes poisoned"):
                assert value > 1.5 * max(one.time[term] for one in seen), (name, term)


def test_times_are_within_the_bound_on_the_size_that_was_not_seen():
    off = {name: error["seconds"] for name, error in errors(MEASURED, fit(MEASURED)).items()}
    assert all(abs(error) <= BOUND for error in off.values()), off
