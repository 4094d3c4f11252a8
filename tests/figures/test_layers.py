"""The layer map's figure: intervals, order of the layers, marks of the picks, gaps, live points."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from app.figures import layers
from app.figures.layers import Pick
from app.theme import METHODS

METHOD_NAMES = ("ngf", "sgd")
NAMES = ("stem", "blocks.0.conv1", "linear")


def entry(layer: str, method: str, asr: int | None = 27, **changes: object) -> dict:
    of = {"layer": layer, "index": NAMES.index(layer), "method": method, "parameters": 100,
          "acc": {"hits": 950, "n": 1000}, "asr": None if asr is None else {"hits": asr, "n": 900},
          "ra": None if asr is None else {"hits": 800, "n": 900}, "fisher_trace": 12.5,
          "seconds": 1.5, "passes": 50, "stopped": None}
    return of | changes


# Out of order on purpose: the figure must follow the index.
ENTRIES = [entry("linear", "sgd", 890), entry("stem", "ngf", 27), entry("linear", "ngf", 300),
           entry("blocks.0.conv1", "ngf", 0, stopped="The loss is no longer finite."),
           entry("stem", "sgd", 855), entry("blocks.0.conv1", "sgd", 450)]
BEFORE = {"acc": {"hits": 990, "n": 1000}, "asr": {"hits": 880, "n": 900},
          "ra": {"hits": 10, "n": 900}}
PICKS = [Pick("oracle", "blocks.0.conv1", "oracle"), Pick("Fisher mass", "linear", "default"),
         Pick("Sensitivity", "stem")]


def drawn(rows: pd.DataFrame, picks=PICKS, before=BEFORE, dark: bool = False):
    return layers.layer_map(rows, before, picks, dark=dark)


def test_layers_go_from_input_to_output():
    figure = drawn(layers.map_frame(ENTRIES))
    assert list(figure.layout.xaxis.categoryarray) == list(NAMES)
    ngf = figure.data[0]
    assert ngf.name == "NGF" and list(ngf.x) == list(NAMES)
    np.testing.assert_allclose(ngf.y, [3.0, 0.0, 100 / 3])


def test_bars_are_wilsons_intervals():
    ngf = drawn(layers.map_frame(ENTRIES)).data[0]
    for place, hits in enumerate((27, 0, 300)):
        truth = binomtest(hits, 900).proportion_ci(method="wilson")
        assert ngf.y[place] - ngf.error_y.arrayminus[place] == pytest.approx(100 * truth.low,
                                                                             abs=1e-4)
        assert ngf.y[place] + ngf.error_y.array[place] == pytest.approx(100 * truth.high, abs=1e-4)


def test_a_method_is_told_by_colour_dash_mark_and_name():
    figure = drawn(layers.map_frame(ENTRIES))
    for name, trace in zip(("ngf", "sgd"), figure.data, strict=False):
        assert (trace.line.color, trace.line.dash) == (METHODS[name].color, METHODS[name].dash)
    assert {"<b>NGF</b>", "<b>SGD</b>"} <= {note.text for note in figure.layout.annotations}
    assert list(figure.data[0].marker.symbol) == ["circle", "circle-open", "circle"]
    assert "stopped early" in figure.data[0].text[1]


@pytest.mark.parametrize("asr", [27, None])
def test_the_names_at_the_end_of_the_lines_do_not_meet(asr):
    rows = layers.map_frame([entry("linear", method, asr) for method in ("ngf", "sgd")])
    figure = drawn(rows, picks=(), before={} if asr is None else BEFORE)
    low, high = figure.layout.yaxis.range
    ngf, sgd = (note.y for note in figure.layout.annotations
                if note.text in ("<b>NGF</b>", "<b>SGD</b>"))
    assert 0.1 < abs(ngf - sgd) / (high - low) < 0.2 and low < min(ngf, sgd)


def test_the_two_methods_do_not_hide_each_other():
    figure = drawn(layers.map_frame(ENTRIES))
    ngf, sgd = figure.data[:2]
    assert ngf.x == sgd.x and ngf.offsetgroup != sgd.offsetgroup
    assert figure.layout.scattermode == "group" and 0.5 < figure.layout.scattergap < 1


def test_the_received_model_is_a_dotted_line_in_each_panel_of_rates():
    levels = [t for t in drawn(layers.map_frame(ENTRIES)).data if t.name == "No defense"]
    assert [level.y[0] for level in levels] == pytest.approx([100 * 880 / 900, 100 * 10 / 900, 99])
    assert {level.line.dash for level in levels} == {"dot"}
    assert [bool(level.showlegend) for level in levels] == [True, False, False]


def test_picks_stand_at_their_layers_and_the_oracle_is_another_mark():
    figure = drawn(layers.map_frame(ENTRIES))
    picks = figure.data[-1]
    assert list(picks.x) == ["blocks.0.conv1", "linear", "stem"]
    assert [text.strip() for text in picks.text] == ["<b>oracle</b>", "<b>Fisher mass</b>",
                                                     "Sensitivity"]
    assert list(picks.marker.symbol) == ["star", "diamond", "diamond-open"]
    assert list(picks.textposition) == ["middle right", "middle left", "middle right"]
    lines = {shape.line.dash: shape.x0 for shape in figure.layout.shapes}
    assert lines == {"dot": 1, "solid": 2}


def test_a_pick_that_is_no_layer_of_the_map_is_not_drawn():
    figure = drawn(layers.map_frame(ENTRIES), picks=[Pick("Moon", "moon", "default"), *PICKS[2:]])
    assert list(figure.data[-1].x) == ["stem"] and not figure.layout.shapes


def test_panels_that_nothing_was_measured_for_are_left_out():
    benign = layers.map_frame([entry("stem", "ngf", None), entry("linear", "ngf", None)])
    figure = drawn(benign, picks=(), before={"acc": None, "asr": None, "ra": None})
    titles = [note.text for note in figure.layout.annotations]
    assert titles[0] == "ACC, %" and "ASR, %" not in titles
    assert "ASR" not in layers.map_table(benign)
    low, high = figure.layout.yaxis.range
    assert low < 90 and high > 100
    assert "NGF ACC: stem 95 %" in layers.map_alt(benign)


def test_what_is_missing_leaves_a_gap():
    rows = layers.map_frame([entry("stem", "ngf", 27), entry("blocks.0.conv1", "ngf", None),
                             entry("linear", "ngf", 9, acc={"hits": 0, "n": 0},
                                   fisher_trace=None)])
    figure = drawn(rows, picks=())
    assert np.isnan(figure.data[0].y[1]) and not figure.data[0].connectgaps
    table = layers.map_table(rows)
    assert np.isnan(table["ACC"][2]) and np.isnan(table["fisher_trace"][2])
    assert layers.map_alt(rows).startswith("Small multiples over the layers from input to output. "
                                           "NGF ASR: stem 3 %, linear 1 %.")


def test_an_empty_map_is_a_figure():
    rows = layers.map_frame([])
    assert layers.layer_map(rows, {}, [], dark=True).to_json()
    assert layers.map_table(rows).empty


def test_plotly_writes_as_many_names_as_there_is_room_for():
    rows = layers.map_frame([entry("stem", "ngf") | {"layer": f"l{i}", "index": i}
                             for i in range(61)])
    axis = drawn(rows).layout.xaxis
    assert (axis.type, axis.tickmode, axis.ticktext) == ("category", None, None)
    assert list(axis.categoryarray) == [f"l{i}" for i in range(61)]


def test_the_table_has_counts_and_intervals():
    table = layers.map_table(layers.map_frame(ENTRIES))
    assert table["layer"].tolist() == [name for name in NAMES for _ in range(2)]
    row = table.iloc[0]
    assert (row["layer"], row["method"], row["ASR n"], row["seconds"]) == ("stem", "NGF", 900, 1.5)
    assert row["ASR"] == pytest.approx(3.0) and row["ASR low"] < 3 < row["ASR high"]


def test_live_points_stand_at_the_layers_names():
    points = pd.DataFrame([("ngf", 1, 1.0, "asr", 0.5, 900), ("ngf", 1, 1.0, "acc", 0.9, 1000),
                           ("sgd", 1, 1.0, "asr", 0.8, 900), ("ngf", 2, 1.0, "asr", None, 0)],
                          columns=["method", "step", "seconds", "metric", "value", "n"])
    options = layers.live_options(points, METHOD_NAMES, NAMES, dark=False)
    assert options["xAxis"]["type"] == "category" and options["xAxis"]["data"] == list(NAMES)
    lines = {line["id"]: line["data"] for line in options["series"]}
    assert lines["ngf-asr"] == [[0.0, 50.0], [1.0, None]] and lines["sgd-asr"] == [[0.0, 80.0]]
    json.dumps(options)


def test_a_live_map_has_the_same_series_from_the_first_tick():
    empty = pd.DataFrame(columns=["method", "step", "seconds", "metric", "value", "n"])
    options = layers.live_options(empty, METHOD_NAMES, NAMES, dark=True)
    ids = [line["id"] for line in options["series"]]
    assert ids == ["ngf-asr", "sgd-asr", "ngf-acc", "sgd-acc"]
