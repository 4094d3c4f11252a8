"""Clicks into curves: where the bars stand, which is meant, what an event names."""

import pytest

from app.figures.curves import loss_options, race_options
from app.figures.picking import BARS, clickable, picked_bar, step_at
from tests.figures.test_curves import METHOD_NAMES, POINTS, frame

EVENT = {"selection": {"selected": [{"series_id": "pick", "data_indices": [7]}], "areas": []}}


def test_bars_cover_the_axis_and_none_stand_where_nothing_is_to_be_clicked():
    options = loss_options(POINTS, METHOD_NAMES, x_max=100.0)
    on, off = (clickable(options, active)["series"][-1] for active in (True, False))
    middles = [x for x, _ in on["data"]]
    assert len(middles) == BARS and middles[0] == 0.25 and middles[-1] == 99.75
    assert on["itemStyle"] == on["select"]["itemStyle"] == {"opacity": 0}
    assert off["data"] == [] and off | {"data": on["data"]} == on


def test_bars_stand_on_their_own_axis_whatever_the_scale_of_the_curves():
    options = loss_options(POINTS, METHOD_NAMES, x_max=100.0)
    made = clickable(options, True)
    own = made["yAxis"][made["series"][-1]["yAxisIndex"]]
    assert (own["min"], own["max"], own["show"]) == (0, 1, False)
    assert made["yAxis"][0] == options["yAxis"] and made["series"][:-1] == options["series"]


UNEVEN = frame(*[("ngf", step, seconds, "acc", 0.9, 10)
                 for step, seconds in ((0, 0.0), (1, 4.0), (10, 5.0), (100, 8.0))],
               ("ngf", 50, 6.5, "loss", 0.9, None), ("sgd", 100, 2.0, "acc", 0.9, 10))


@pytest.mark.parametrize(("x", "x_max", "clicked", "step"), [
    ("step", 100.0, 4.0, 1), ("step", 100.0, 7.0, 10), ("step", 100.0, 99.0, 100),
    ("step", 100.0, 54.0, 10), ("step", 100.0, 57.0, 100),
    ("seconds", 8.0, 0.3, 0), ("seconds", 8.0, 1.9, 100), ("seconds", 8.0, 6.4, 10)])
def test_the_nearest_evaluated_step_is_meant(x, x_max, clicked, step):
    assert step_at(UNEVEN, int(clicked * BARS / x_max), x=x, x_max=x_max) == step


def test_the_bar_of_a_step_means_that_step():
    options = clickable(race_options(POINTS, METHOD_NAMES, ("acc",), x_max=10.0), True)
    for bar, (x, _) in enumerate(options["series"][-1]["data"]):
        assert step_at(POINTS, bar, x="step", x_max=10.0) == (0 if x < 5 else 10)


def test_an_event_names_a_bar_or_none():
    assert picked_bar(EVENT) == 7
    assert picked_bar(None) is None
    assert picked_bar({"selection": {"selected": []}}) is None
    assert picked_bar({"selection": {"selected": [
        {"series_id": "ngf-asr", "data_indices": [3]}]}}) is None
