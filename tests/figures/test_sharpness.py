"""The sharpness table and the forest of changes: what is said, what is left out."""

import math

import pytest

from app.figures import sharpness


def entry(value, sampling=1.0, minus=None, paired=1.0, **more):
    made = {"title": "λ_max", "definition": "Largest.", "moved_by": "scale", "value": value,
            "error": 0.1, "error_is": "Ritz residual", "sampling_error": sampling,
            "cost": {"Hessian products": 3}, "parts": {}} | more
    if minus is not None:
        made["minus_before"] = {"value": minus, "error": 0.0, "error_is": "",
                                "sampling_error": paired}
    return made


MODELS = {"before": {"lambda_max": entry(100.0), "trace": entry(300.0, title="trace")},
          "ngf": {"lambda_max": entry(80.0, minus=-20.0, paired=2.0),
                  "trace": entry(310.0, title="trace", minus=10.0, paired=8.0)},
          "sgd": {"lambda_max": entry(130.0, minus=30.0, paired=3.0)}}


def test_the_table_has_values_changes_and_a_word():
    table = sharpness.table(MODELS)
    assert list(table) == ["measure", "No defense", "NGF", "NGF − No defense", "SGD",
                           "SGD − No defense"]
    first, second = table.to_dict("records")
    assert first["No defense"] == "100.0 ± 1.0"
    assert first["NGF − No defense"] == "−20.0 ± 2.0, flatter"
    assert first["SGD − No defense"] == "+30.0 ± 3.0, sharper"
    assert second["NGF − No defense"] == "+10.0 ± 8.0, not resolved"
    assert second["SGD"] == second["SGD − No defense"] == "not measured"


def test_the_error_of_a_change_is_that_of_images_and_computation_together():
    found = entry(1.0, minus=10.0, paired=3.0)
    found["minus_before"]["error"] = 4.0
    assert sharpness.verdict(found) == "+10.0 ± 5.0, sharper"
    found["minus_before"]["error"] = 5.0
    assert sharpness.verdict(found).endswith("not resolved")


@pytest.mark.parametrize("value, error", [(None, 1.0), (math.nan, 1.0), (1.0, None)])
def test_what_is_not_finite_says_so(value, error):
    found = entry(1.0, minus=0.0)
    found["minus_before"] |= {"value": value, "sampling_error": error}
    assert sharpness.verdict(found) == "not finite"
    figure = sharpness.changes({"before": MODELS["before"], "ngf": {"lambda_max": found}},
                               dark=False)
    assert len(figure.data[0].x) == 0


def test_changes_are_relative_with_95_percent_intervals():
    ngf, sgd = sharpness.changes(MODELS, dark=False).data
    assert ngf.name == "NGF" and list(ngf.x) == pytest.approx([-20.0, 100 / 30])
    assert list(ngf.error_x.array) == pytest.approx([1.96 * 2, 1.96 * 8 / 3])
    assert list(sgd.x) == [30.0] and ngf.marker.symbol != sgd.marker.symbol
    assert ngf.y[0] < sgd.y[0] < ngf.y[1]


def test_names_of_measures_stand_at_their_rows():
    axis = sharpness.changes(MODELS, dark=True).layout.yaxis
    assert list(axis.ticktext) == ["λ_max", "trace"] and axis.range[0] > axis.range[1]


def test_the_long_table_lists_layers_and_costs():
    models = {"before": {"rf": entry(3.0, title="relative flatness",
                                     parts={"conv1": [2.0, 0.5], "fc": [1.0, None]})}}
    table = sharpness.long_table(models)
    assert table["measure"].tolist() == ["relative flatness", "relative flatness, conv1",
                                         "relative flatness, fc"]
    assert table["cost"][0] == "3 Hessian products"


def test_one_model_has_no_changes():
    only = {"before": MODELS["before"]}
    assert not sharpness.changes(only, dark=False).data
    assert list(sharpness.table(only)) == ["measure", "No defense"]
