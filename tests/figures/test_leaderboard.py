"""The benchmark's figures: what each mark says, what is missing, who is on the front."""

import numpy as np
import pandas as pd
import pytest

from app.figures import leaderboard as figures
from app.theme import style
from ngf_core.evidence.measures import MEASURES
from ngf_core.evidence.rank import ranking

MEANS = pd.DataFrame({"badnets": [0.95, 0.5], "blend": [0.7, np.nan]}, index=["ngf", "sgd"])
TITLES = {"badnets": "BadNets", "blend": "Blend"}


def marks(figure):
    """{(attack, defense): (text, ink)} of the traces over the heat map."""
    return {tuple(about[:2]): (text, trace.textfont.color) for trace in figure.data[1:]
            for about, text in zip(trace.customdata, trace.text, strict=True)}


def test_each_cell_is_a_mark_with_its_text_in_an_ink_that_can_be_read():
    figure = figures.heat(MEANS, MEASURES["der"], attacks=TITLES, dark=False)
    found = marks(figure)
    assert {cell: text for cell, (text, _) in found.items()} == {
        ("badnets", "ngf"): "95", ("blend", "ngf"): "70", ("badnets", "sgd"): "50",
        ("blend", "sgd"): "–"}
    assert found["badnets", "ngf"][1] == "#000000" and found["badnets", "sgd"][1] == "#FFFFFF"
    heat = figure.data[0]
    assert list(heat.x) == ["BadNets", "Blend"] and list(heat.y) == ["NGF", "SGD"]
    assert heat.z[0][0] == 95 and np.isnan(heat.z[1][1])


def test_a_click_changes_no_ink():
    for trace in figures.heat(MEANS, MEASURES["der"], attacks=TITLES, dark=True).data[1:]:
        assert trace.unselected.textfont.color == trace.textfont.color
        assert trace.unselected.marker.opacity == trace.marker.opacity == 0


@pytest.mark.parametrize("name, bright", [("der", "ngf"), ("asr", "sgd")])
def test_bright_is_good(name, bright):
    """The higher DER is the brighter cell, and the lower ASR."""
    means = pd.DataFrame({"badnets": [0.99, 0.51 if name == "der" else 0.01]}, ["ngf", "sgd"])
    figure = figures.heat(means, MEASURES[name], attacks=TITLES, dark=False)
    inks = {defense: ink for (_, defense), (_, ink) in marks(figure).items()}
    assert [defense for defense, ink in inks.items() if ink == "#000000"] == [bright]


def test_sharpness_is_coloured_by_its_logarithm_and_zero_has_no_colour():
    means = pd.DataFrame({"badnets": [100.0, 0.0]}, index=["ngf", "sgd"])
    figure = figures.heat(means, MEASURES["lambda_max"], attacks={}, dark=False)
    assert figure.data[0].z[0][0] == 2 and np.isnan(figure.data[0].z[1][0])
    assert marks(figure)["badnets", "sgd"][0] == "0.0"


def test_nothing_computed_draws():
    empty = MEANS * np.nan
    assert {text for text, _ in marks(figures.heat(
        empty, MEASURES["asr"], attacks=TITLES, dark=False)).values()} == {"–"}


def test_the_table_behind_the_map_has_titles_and_percent():
    table = figures.heat_table(MEANS, MEASURES["der"], TITLES)
    assert list(table) == ["defense", "BadNets", "Blend"]
    assert table["BadNets"].tolist() == [95, 50] and table["defense"].tolist() == ["NGF", "SGD"]


@pytest.mark.parametrize("value, name, text, brief", [
    (0.1234, "asr", "12.3", "12"), (-0.004, "acc_drop", "−0.4", "0"),
    (-0.02, "acc_drop", "−2.0", "−2"), (12.34, "cpu_seconds", "12.3", "12"),
    (9.87, "cpu_seconds", "9.9", "9.9"), (345.6, "trace", "346", "346"),
    (4608, "tuned", "4.6k", "4.6k"), (78000, "tuned", "78k", "78k"), (-1e-9, "asr", "0.0", "0"),
    (float("nan"), "asr", "–", "–")])
def test_numbers_as_people_read_them(value, name, text, brief):
    assert figures.shown(value, MEASURES[name]) == text
    assert figures.short(value, MEASURES[name]) == brief


def cells(**columns):
    index = pd.MultiIndex.from_product([["a", "b", "c"], [0, 1]], names=["attack", "seed"])
    return pd.DataFrame({name: np.asarray(values) for name, values in columns.items()}, index)


def test_dots_stand_at_the_means_with_their_intervals():
    rng = np.random.default_rng(0)
    ranks = ranking(cells(sgd=rng.uniform(0.5, 0.6, 6), ngf=rng.uniform(0.8, 0.9, 6)),
                    higher_is_better=True)
    ngf, sgd = figures.dots(ranks, MEASURES["der"], dark=False).data
    assert list(ngf.y) == ["NGF"] and list(sgd.y) == ["SGD"]
    assert ngf.x[0] == pytest.approx(100 * ranks.loc["ngf", "mean"])
    assert ngf.x[0] + ngf.error_x.array[0] == pytest.approx(100 * ranks.loc["ngf", "high"])
    assert ngf.x[0] - ngf.error_x.arrayminus[0] == pytest.approx(100 * ranks.loc["ngf", "low"])
    assert ngf.marker.symbol == style("ngf").symbol and "n = 6" in ngf.hovertemplate


def test_a_mean_without_an_interval_is_hollow():
    ranks = ranking(cells(ngf=[0.5, *[np.nan] * 5]), higher_is_better=True)
    dot, = figures.dots(ranks, MEASURES["der"], dark=True).data
    assert dot.marker.symbol == "circle-open" and dot.error_x.array is None
    assert "(" not in dot.hovertemplate


def test_the_front_is_what_nobody_beats_on_both():
    means = pd.DataFrame({"asr": [0.1, 0.05, 0.2, 0.1, np.nan],
                          "acc_drop": [0.01, 0.03, 0.02, 0.02, 0.0]},
                         index=["ngf", "finetune", "sgd", "anp", "clp"])
    assert figures.pareto(means) == ["ngf", "finetune"]


def test_two_alike_are_both_on_the_front():
    means = pd.DataFrame({"asr": [0.1, 0.1], "acc_drop": [0.0, 0.0]}, index=["ngf", "sgd"])
    assert figures.pareto(means) == ["ngf", "sgd"]


def test_the_trade_off_names_its_front_and_leaves_out_what_is_unknown():
    means = pd.DataFrame({"asr": [0.1, 0.9, np.nan], "acc_drop": [0.01, 0.02, 0.0]},
                         index=["ngf", "sgd", "clp"])
    line, *points = figures.trade_off(means, dark=False).data
    assert list(line.x) == [1.0] and list(line.y) == [10.0]
    assert [point.text[0] for point in points] == ["<b>NGF</b>", "SGD"]
    assert (points[1].x[0], points[1].y[0]) == (2.0, 90.0)


def test_a_name_without_room_beside_its_mark_hangs_on_a_line():
    """Twelve marks in a heap: some names have to go away, in their own colour and weight."""
    heap = pd.DataFrame({"asr": 0.3 + 0.004 * np.arange(12), "acc_drop": 0.02},
                        index=["ngf", "sgd", "anp", "clp", "nad", "fip", "ibau", "nft", "rnp",
                               "awm", "finetune", "ft_sam"])
    figure = figures.trade_off(heap, dark=False)
    away = {note.text: note for note in figure.layout.annotations}
    named = {point.text[0]: point for point in figure.data[1:] if "text" in point.mode}
    assert away and named and not away.keys() & named.keys()
    assert len(away) + len(named) == len(heap) and "<b>NGF</b>" in {*away, *named}
    at = {point.text[0]: (point.x[0], point.y[0], point.textfont.color)
          for point in figure.data[1:]}
    for text, note in away.items():
        assert (note.x, note.y, note.font.color) == at[text]
        assert note.showarrow is not False and (note.ax, note.ay) != (0, 0)


def test_a_trade_off_of_nothing_draws():
    means = pd.DataFrame({"asr": [np.nan], "acc_drop": [0.1]}, index=["ngf"])
    assert len(figures.trade_off(means, dark=True).data) == 1
