"""Tiles of λ_max and trace: one value and one error per quantity, and what may be said of them."""

import math

import numpy as np
import pytest

from app.figures.curvature_tiles import tiles
from app.figures.sharpness import table

SPECTRUM = {"eigenvalues": np.array([90.0, 130.0]), "residuals": np.array([0.1, 0.2]),
            "trace": np.array([360.0, 31.0, 20.0])}


def entry(value: float, over_images: float, computed: float | None, change: float | None = None):
    found = {"title": "λ_max", "value": value, "sampling_error": over_images, "error": computed}
    return found if change is None else found | {
        "minus_before": {"value": change, "sampling_error": over_images, "error": computed}}


def test_without_an_error_over_images_the_tile_says_so():
    top, trace = tiles({"before": SPECTRUM})
    assert (top.model, top.text, top.flagged) == ("No defense", "130.0 ± 0.2", False)
    assert top.note == "Ritz residual; over images: not measured"
    assert (trace.text, trace.flagged) == ("360 ± 31", False)
    assert "20 probes" in trace.note


def test_with_one_it_carries_that_and_the_paired_verdict():
    measured = {"before": {"lambda_max": entry(130.0, 49.0, 0.2)},
                "ngf": {"lambda_max": entry(165.0, 30.0, 40.0, 86.0), "trace": entry(824.0, 30.0,
                                                                                     None, 600.0)}}
    made = {(tile.model, tile.measure): tile for tile in tiles(
        {"before": SPECTRUM, "ngf": SPECTRUM}, measured)}
    assert made["No defense", "λ_max"].text == "130 ± 49"
    assert made["No defense", "λ_max"].note == "as received"
    assert made["NGF", "λ_max"].error == pytest.approx(math.hypot(30.0, 40.0))
    assert made["NGF", "λ_max"].note == "+86 ± 50, not resolved"
    assert made["NGF", "trace"].note == "+600 ± 30, sharper"


def test_a_quantity_has_one_value_and_error_on_a_page():
    measured = {"before": {"lambda_max": entry(131.0, 49.0, 3.0)}}
    (shown,) = table(measured).to_dict("records")
    assert tiles({"before": SPECTRUM}, measured)[0].text == shown["No defense"]


def test_an_unconverged_value_is_flagged_whatever_was_measured():
    data = SPECTRUM | {"residuals": np.array([0.1, 2.0])}
    top = tiles({"before": data}, {"before": {"lambda_max": entry(130.0, 49.0, 2.0)}})[0]
    assert top.flagged and "not converged" in top.note
    assert top.text == "130.0 ± 2.0"


def test_lambda_max_is_the_greatest_eigenvalue_in_any_order():
    tile = tiles({"ngf": SPECTRUM})[0]
    assert (tile.value, tile.error) == (130.0, 0.2)
