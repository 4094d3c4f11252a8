"""The race's curves: what is drawn, in which order, colour and stroke, and what is left out."""

import json
import math

import pandas as pd
import pytest

from app.figures.curves import (
    curve_table,
    decimate,
    loss_options,
    race_alt,
    race_options,
    sharpness_alt,
    sharpness_options,
)
from app.theme import COLORWAY, METHODS, label_color, plotly_template, style
from ngf_core.purify.registry import PURIFIERS


def frame(*rows):
    columns = ["method", "step", "seconds", "metric", "value", "n"]
    return pd.DataFrame(rows, columns=columns).astype({"n": "Int64"})


POINTS = frame(
    ("ngf", 0, 0.0, "asr", 0.96, 900), ("ngf", 0, 0.0, "acc", 0.99, 1000),
    ("ngf", 0, 0.0, "loss", 0.5, None), ("sgd", 0, 0.0, "asr", 0.96, 900),
    ("sgd", 0, 0.0, "acc", 0.99, 1000), ("ngf", 10, 0.6, "asr", 0.01, 900),
    ("ngf", 10, 0.6, "acc", 0.98, 1000), ("ngf", 10, 0.6, "loss", 0.0, None),
    ("sgd", 10, 0.4, "asr", math.nan, 900), ("sgd", 10, 0.4, "acc", 0.97, 1000),
    ("sgd", 20, 0.8, "asr", 0.62, 900), ("ngf", 20, 1.2, "loss", 0.1, None),
)
METHOD_NAMES = ("ngf", "sgd")


def race(**options):
    return race_options(POINTS, METHOD_NAMES, ("asr", "acc"), **options)


def series(options, key):
    return next(s for s in options["series"] if s["id"] == key)


def test_lines_are_percent_in_step_order():
    assert series(race(), "ngf-asr")["data"] == [[0.0, 96.0], [10.0, 1.0]]


def test_seconds_are_an_x_axis_too():
    options = race(x="seconds")
    assert series(options, "sgd-acc")["data"] == [[0.0, 99.0], [0.4, 97.0]]
    assert options["xAxis"]["name"] == "Tuning seconds"
    assert options["xAxis"]["max"] == 1.2


def test_methods_differ_by_hue_and_stroke_and_label():
    ngf, sgd = series(race(), "ngf-asr"), series(race(), "sgd-asr")
    assert (ngf["color"], sgd["color"]) == ("#0072B2", "#D55E00")
    assert ngf["lineStyle"]["type"] == "solid" != sgd["lineStyle"]["type"]
    assert ngf["endLabel"]["formatter"] == "NGF ASR 1.0 %"
    assert sgd["endLabel"]["formatter"] == "SGD ASR 62.0 %"


def test_asr_is_thicker_than_acc():
    options = race()
    width = [series(options, f"ngf-{m}")["lineStyle"]["width"] for m in ("asr", "acc")]
    assert width[0] >= 2 * width[1]


def test_a_missing_value_is_a_gap_and_not_a_zero():
    line = series(race(), "sgd-asr")
    assert line["data"] == [[0.0, 96.0], [10.0, None], [20.0, 62.0]]
    assert line["connectNulls"] is False


def test_what_came_after_a_step_is_pale_and_the_axis_stays():
    options = race(step=0, x_max=20.0)
    assert series(options, "ngf-asr")["data"] == [[0.0, 96.0]]
    assert options["xAxis"]["max"] == 20.0
    assert series(options, "ngf-asr")["symbol"] == "circle"
    later = series(options, "ngf-asr-later")
    assert later["data"] == [[0.0, 96.0], [10.0, 1.0]]  # it goes on where the line ends
    assert later["lineStyle"]["opacity"] < 0.5 and later["tooltip"] == {"show": False}
    assert series(race(step=20), "ngf-asr-later")["data"] == series(
        race(), "ngf-asr-later")["data"] == []


def test_the_lines_of_a_method_share_a_name_and_the_tooltip_tells_them_apart():
    options = race(before={"asr": 0.96})
    assert {s["name"] for s in options["series"] if s["id"].startswith("ngf-")} == {"NGF"}
    assert [series(options, f"ngf-{m}")["tooltip"]["valueFormatter"] for m in ("asr", "acc")] == [
        "%.1f %% ASR", "%.1f %% ACC"]


def test_no_defense_is_a_grey_dotted_level():
    level = series(race(before={"asr": 0.96}, x_max=20.0), "before-asr")
    assert level["data"] == [[0.0, 96.0], [20.0, 96.0]]
    assert level["color"] == "#777777" and level["lineStyle"]["type"] != "solid"


def test_the_structure_is_the_same_from_the_first_tick_to_the_last():
    empty = race_options(frame(), METHOD_NAMES, ("asr", "acc"), x_max=20.0)
    full = race(x_max=20.0, before={"asr": 0.96, "acc": 0.99})
    assert [s["id"] for s in empty["series"]] == [s["id"] for s in full["series"]]
    assert [sorted(s) for s in empty["series"]] == [sorted(s) for s in full["series"]]
    assert empty["animation"] is False


@pytest.mark.parametrize("dark", [False, True])
def test_options_are_strict_json(dark):
    text = json.dumps(race(dark=dark), allow_nan=False)
    assert ("#0E1117" in text) is dark


def test_loss_is_logarithmic_and_leaves_out_what_has_no_logarithm():
    options = loss_options(POINTS, METHOD_NAMES)
    assert options["yAxis"]["type"] == "log"
    assert series(options, "ngf-loss")["data"] == [[0.0, 0.5], [10.0, None], [20.0, 0.1]]


def test_an_unregistered_method_keeps_its_own_name():
    points = POINTS.assign(method="new one")
    options = race_options(points, ("new one",), ("acc",))
    assert series(options, "new one-acc")["endLabel"]["formatter"].startswith("new one ACC")


def test_alt_names_start_and_end():
    text = race_alt(POINTS, METHOD_NAMES, ("asr",))
    assert "NGF ASR 96% to 1% at step 10" in text
    assert "SGD ASR 96% to 62% at step 20" in text
    assert race_alt(frame(), METHOD_NAMES, ("asr",)) == "Line chart. No points yet."


def test_table_has_one_row_a_method_and_step_with_n():
    table = curve_table(POINTS, ["asr", "acc"])
    assert list(table.columns) == ["method", "step", "seconds", "asr", "n_asr", "acc", "n_acc"]
    row = table[(table.method == "ngf") & (table.step == 10)].iloc[0]
    assert (row.asr, row.n_asr, row.acc, row.n_acc) == (0.01, 900, 0.98, 1000)
    assert curve_table(frame(), ["asr"]).empty


def test_thinning_keeps_ends_and_peaks():
    line = pd.DataFrame({"step": range(5000), "value": 0.5})
    line.loc[2345, "value"], line.loc[678, "value"] = 0.9, 0.1
    thin = decimate(line, 100)
    assert len(thin) <= 100
    assert {0, 678, 2345, 4999} <= set(thin["step"])
    assert list(thin["step"]) == sorted(thin["step"])
    assert decimate(line, 5000) is line


def test_palette_is_ten_colours_and_methods_are_told_apart():
    assert len(COLORWAY) == len(set(COLORWAY)) == 10
    raced = [METHODS[name] for name in ("ngf", "sgd", "finetune", "before", "benign")]
    assert len({m.color for m in raced}) == len({m.dash for m in raced}) == len(raced)
    assert style("ngf").label == "NGF"


@pytest.mark.parametrize("dark", [False, True])
def test_label_colours_can_be_read(dark):
    back = luminance(plotly_template(dark).layout.paper_bgcolor)
    for name in {*METHODS, *PURIFIERS}:
        ink = luminance(label_color(style(name).color, dark))
        contrast = (max(ink, back) + 0.05) / (min(ink, back) + 0.05)
        assert contrast >= 4.5, (name, contrast)


def luminance(color):
    parts = [int(color[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


SHARP = frame(
    ("ngf", 0, 0.0, "lambda_max", 40.0, 50), ("ngf", 0, 0.0, "lambda_error", 1.0, 50),
    ("ngf", 0, 0.0, "fisher_trace", 110.0, 50), ("sgd", 0, 0.0, "lambda_max", 40.0, 50),
    ("ngf", 20, 1.0, "lambda_max", 200.0, 50), ("ngf", 20, 1.0, "lambda_error", 300.0, 50),
    ("ngf", 20, 1.0, "acc", 0.9, 900), ("ngf", 10, 0.5, "acc", 0.9, 900),
    ("sgd", 20, 1.0, "lambda_max", -3.0, 50),
)


def test_sharpness_is_drawn_as_it_is_on_a_logarithmic_axis():
    options = sharpness_options(SHARP, METHOD_NAMES)
    assert options["yAxis"]["type"] == "log" and options["animation"] is False
    line = series(options, "ngf-lambda_max")
    assert line["data"] == [[0.0, 40.0], [20.0, 200.0]]  # steps without a look leave no gap
    assert line["color"] == "#0072B2" and line["endLabel"]["formatter"] == "NGF λ_max"
    thin, thick = (series(options, f"ngf-{m}")["lineStyle"]["width"]
                   for m in ("fisher_trace", "lambda_max"))
    assert thin < thick
    assert series(options, "sgd-lambda_max")["data"][1] == [20.0, None]  # no logarithm


def test_residuals_are_strokes_that_the_tooltip_passes_over():
    bars = series(sharpness_options(SHARP, METHOD_NAMES), "ngf-lambda_max-error")
    assert bars["data"][:3] == [[0.0, 39.0], [0.0, 41.0], [0.0, None]]
    assert bars["data"][3:5] == [[20.0, 20.0], [20.0, 500.0]]  # an axis without zero
    assert bars["name"] == "NGF" and bars["tooltip"] == {"show": False} and bars["silent"]
    assert series(sharpness_options(SHARP, METHOD_NAMES), "sgd-lambda_max-error")["data"] == []


def test_sharpness_series_stay_the_same_while_points_arrive():
    ids = [[s["id"] for s in sharpness_options(part, METHOD_NAMES)["series"]]
           for part in (SHARP.iloc[:0], SHARP.iloc[:3], SHARP)]
    assert ids[0] == ids[1] == ids[2]


def test_the_received_models_sharpness_is_a_level_line():
    options = sharpness_options(SHARP, METHOD_NAMES, before={"lambda_max": 40.0}, x_max=100.0)
    assert series(options, "before-lambda_max")["data"] == [[0.0, 40.0], [100.0, 40.0]]
    assert series(options, "before-fisher_trace")["data"] == []


def test_sharpness_up_to_a_step_and_in_words():
    assert series(sharpness_options(SHARP, METHOD_NAMES, step=10), "ngf-lambda_max")["data"] == [
        [0.0, 40.0]]
    assert "NGF λ_max 40 to 200 at step 20" in sharpness_alt(SHARP, METHOD_NAMES)
    assert "No points yet" in sharpness_alt(SHARP.iloc[:0], METHOD_NAMES)


def on_a_phone(options):
    (media,) = options["media"]
    assert media["query"] == {"maxWidth": 480}
    return media["option"]


def test_a_legend_has_all_its_rows_and_room_for_them():
    many = [name for name in PURIFIERS if name not in ("ngf", "sgd")]
    few, all_of_them = (race_options(POINTS, methods, ("asr",))
                        for methods in (METHOD_NAMES, (*METHOD_NAMES, *many)))
    for options in (few, all_of_them):
        assert options["legend"].get("type", "plain") == "plain"
        assert on_a_phone(options)["grid"]["top"] >= options["grid"]["top"]
    assert all_of_them["grid"]["top"] > few["grid"]["top"]
    assert on_a_phone(all_of_them)["grid"]["top"] > on_a_phone(few)["grid"]["top"]


def test_on_a_phone_the_labels_leave_most_of_the_width_to_the_lines():
    options = race()
    short = {line["id"]: line["endLabel"]["formatter"] for line in on_a_phone(options)["series"]}
    assert short == {"ngf-asr": "ASR 1.0 %", "sgd-asr": "ASR 62.0 %", "ngf-acc": "ACC 98.0 %",
                     "sgd-acc": "ACC 97.0 %"}
    assert 340 - 58 - on_a_phone(options)["grid"]["right"] > 340 / 2
    assert options["grid"]["right"] > on_a_phone(options)["grid"]["right"]


def test_the_room_for_the_labels_stays_while_values_arrive():
    empty = race_options(frame(), METHOD_NAMES, ("asr", "acc"), x_max=20.0)
    assert empty["grid"] == race(x_max=20.0)["grid"]
    assert on_a_phone(empty)["grid"] == on_a_phone(race(x_max=20.0))["grid"]
