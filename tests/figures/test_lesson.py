"""The lesson's figures: every number where it belongs, letters of the size that is asked for."""

import math

import pandas as pd

from app.figures.lesson import (
    Dot,
    asr_options,
    dots_alt,
    dots_height,
    dots_options,
    valleys_options,
)

DOTS = [Dot("a", 10.0, "10 %", 8.0, 12.0), Dot("b", 90.0, "90 %", method="sgd"),
        Dot("b", 50.0, hollow=True, method="sgd")]


def letters(part) -> list[float]:
    if isinstance(part, dict):
        return [value for key, value in part.items() if key == "fontSize"] + [
            size for value in part.values() for size in letters(value)]
    return [size for value in part for size in letters(value)] if isinstance(part, list) else []


def test_marks_stand_in_their_rows_with_their_intervals():
    options = dots_options(DOTS, "axis", level=30.0)
    series = {one["id"]: one for one in options["series"]}
    assert options["yAxis"][0]["data"] == ["a", "b"]
    assert series["ngf False"]["data"] == [{"name": "a", "value": [10.0, 0, "10 %"]}]
    assert series["sgd True"]["data"][0]["value"][:2] == [50.0, 1]
    assert series["ngf bars"]["data"] == [[8.0, 0], [12.0, 0], [None, None]]
    assert series["sgd bars"]["data"] == []
    assert series["level"]["data"] == [[30.0, -0.5], [30.0, 1.5]]
    assert dots_alt(DOTS, "axis") == "axis: a 10 %; b 90 %."


def test_letters_have_the_size_of_the_hall():
    points = pd.DataFrame({"method": "ngf", "step": [0, 10], "metric": "asr", "value": [1.0, 0.1]})
    for options in (dots_options(DOTS, "axis", size=26), valleys_options(size=26),
                    asr_options(points, ["ngf"], 10, last=10, size=26)):
        assert set(letters(options)) == {26}
    assert dots_height(DOTS, 26) > dots_height(DOTS, 15)


def test_methods_that_say_the_same_share_a_label_and_the_axis_has_all_steps():
    points = pd.DataFrame([{"method": method, "step": step, "metric": "asr", "value": value}
                           for method, value in (("ngf", 0.1), ("sgd", 0.5))
                           for step, value in ((0, 1.0), (10, value))])

    def labels(step: int) -> list[str]:
        series = asr_options(points, ["ngf", "sgd"], step, last=100)["series"]
        return [one["endLabel"]["formatter"] for one in series
                if one.get("endLabel", {}).get("show")]

    assert labels(0) == ["All 100 %"] and labels(10) == ["NGF 10 %", "SGD 50 %"]
    assert asr_options(points, ["ngf"], 0, last=100)["xAxis"]["max"] == 100


def test_a_race_is_bold_up_to_its_step_and_pale_behind_it():
    points = pd.DataFrame({"method": "ngf", "step": [0, 10, 20], "metric": "asr",
                           "value": [1.0, 0.5, math.nan]})
    options = asr_options(points, ["ngf"], 0, last=100)
    series = {one["id"]: one for one in options["series"]}
    assert options["xAxis"]["max"] == 100, "the axis is the race's before its end is shown"
    assert series["ngf"]["data"] == [[0, 100.0]]
    assert series["ngf-later"]["data"] == [[0, 100.0], [10, 50.0]]
    assert series["ngf"]["endLabel"]["formatter"] == "NGF 100 %"
