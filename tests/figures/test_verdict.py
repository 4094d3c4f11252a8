"""The verdict over all models: means, intervals, marks and words."""

import math

import numpy as np
import pandas as pd
import pytest

from app.figures.verdict import asr_text, height, marks, ratio_text, verdict_options, verdict_table
from ngf_core.evidence.rank import Estimate

TITLES = {"badnets": "BadNets", "sig": "SIG"}
MEANS = {"ngf": (Estimate(0.2, 0.1, 0.3, 0.1, 2), Estimate(math.log(2), 0.0, math.log(4), 0.1, 2)),
         "sgd": (Estimate(0.5, math.nan, math.nan, math.nan, 1),
                 Estimate(math.nan, math.nan, math.nan, math.nan, 0))}


@pytest.fixture
def table() -> pd.DataFrame:
    def row(attack, method, asr, ratio, weak=False, collapsed=False):
        return {"attack": attack, "seed": 0, "method": method, "asr": asr, "images": 883,
                "ratio": ratio, "lambda_max_before": 10.0, "lambda_max": 10.0 * ratio,
                "lambda_max_before_error": 4.0, "lambda_max_error": np.nan,
                "weak": weak, "collapsed": collapsed, "race": f"{attack}-race"}
    return pd.DataFrame([row("badnets", "ngf", 0.01, 2.0), row("badnets", "sgd", 0.6, np.nan),
                         row("sig", "ngf", 0.7, 8.5, weak=True),
                         row("sig", "sgd", 0.8, 0.5, weak=True, collapsed=True)])


def series(options: dict, name: str) -> dict:
    return next(part for part in options["series"] if part.get("id") == name)


def test_each_model_has_its_row_and_value(table):
    options = verdict_options(table, MEANS, TITLES, dark=False)
    assert options["yAxis"][0]["data"] == ["Mean, NGF", "Mean, SGD", "SIG (weak)", "BadNets"]
    ngf = series(options, "ngf asr")["data"]
    assert [mark["value"][:2] for mark in ngf] == [[1.0, 3], [70.0, 2]]
    assert ngf[0]["value"][2] == "BadNets: 1.0 % of 883 images"
    assert [mark["value"][:2] for mark in series(options, "sgd ratio")["data"]] == [[0.5, 2]]


def test_a_destroyed_model_is_hollow_and_says_so(table):
    (mark,) = series(verdict_options(table, MEANS, TITLES, dark=True), "sgd ratio")["data"]
    assert mark["itemStyle"]["color"] == "transparent"
    assert mark["value"][2] == ("SIG: ×0.50, from 10.0 ± 4.0 to 5 ± unknown (this model no longer "
                                "answers)")


def test_means_stand_in_their_rows_with_their_intervals(table):
    parts = verdict_options(table, MEANS, TITLES, dark=False)["series"]
    lines = [part for part in parts if part["type"] == "line"]
    assert [(part["xAxisIndex"], np.round(part["data"], 9).tolist()) for part in lines] == [
        (0, [[10.0, 0], [30.0, 0]]), (1, [[1.0, 0], [4.0, 0]])]
    middles = [part["data"][0] for part in parts if part.get("symbolSize") == 16]
    assert [round(value, 9) for value, *_ in middles] == [20.0, 2.0, 50.0]
    assert [row for _, row, _ in middles] == [0, 0, 1]
    assert middles[1][2] == "mean: ×2.00 [1.00, 4.00]"


def test_a_mark_leads_to_its_row(table):
    data = series(verdict_options(table, MEANS, TITLES, dark=False), "sgd ratio")["data"]
    rows = marks(table, "sgd", "ratio")
    assert len(rows) == len(data) == 1 and rows["race"][0] == "sig-race"


def test_the_axis_of_ratios_holds_all_of_them_and_one(table):
    axis = verdict_options(table, MEANS, TITLES, dark=False)["xAxis"][1]
    assert (axis["min"], axis["max"]) == (0.5, 16.0)
    unknown = table.assign(ratio=np.nan)
    axis = verdict_options(unknown, MEANS, TITLES, dark=False)["xAxis"][1]
    assert (axis["min"], axis["max"]) == (0.5, 2.0)


def test_words_and_size(table):
    assert asr_text(MEANS["ngf"][0]) == "20.0 % [10.0, 30.0]"
    assert asr_text(MEANS["sgd"][0]) == "50.0 %"
    assert ratio_text(MEANS["ngf"][1]) == "2.00 [1.00, 4.00]"
    assert height(table, 2) - height(table[table["attack"] == "sig"], 2) == 26
    assert verdict_table(table, TITLES)["method"].tolist() == ["NGF", "SGD", "NGF", "SGD"]


def test_on_a_phone_both_panels_have_room_for_their_marks(table):
    options = verdict_options(table, MEANS, TITLES, dark=False)
    (media,) = options["media"]
    assert media["query"] == {"maxWidth": 480}
    left, right = media["option"]["grid"]
    share = [1 - left["left"] / 340 - float(left["right"].rstrip("%")) / 100,
             1 - float(right["left"].rstrip("%")) / 100 - right["right"] / 340]
    assert min(share) > 0.25
    # Those of a wide page would leave the first panel next to nothing.
    assert 1 - options["grid"][0]["left"] / 340 - 0.46 < 0.15
