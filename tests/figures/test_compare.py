"""Figures of several runs: shared scales, a letter's look, intervals, what cannot be drawn."""

import math

import numpy as np
import pandas as pd
import pytest

from app.figures import compare as figures
from ngf_core.compare.differences import Row
from ngf_core.compare.intervals import IMAGES, POINTS, RATIO


def row(measure="asr", unit=POINTS, runs=("b",), change=-0.2, low=-0.3, high=-0.1):
    return Row("ngf", measure, measure.upper(), unit, runs, ("a",), 0.5, 0.7, change, low, high,
               IMAGES, 1, 900)


def letters(ids):
    return ", ".join(name.upper() for name in ids)


def points(*values):
    return pd.DataFrame({"step": range(len(values)), "value": values})


def test_a_curve_is_named_by_run_and_rate_and_looks_by_run():
    figure = figures.curves({"A": points(1.0, 0.5), "C": points(1.0, 0.2)}, "asr", x="Step",
                            dark=False)
    first, third = figure.data
    assert [trace.name for trace in figure.data] == ["A ASR", "C ASR"]
    assert list(first.y) == [100, 50] and figure.layout.yaxis.range == (-2, 102)
    assert first.line.color != third.line.color and first.line.dash != third.line.dash
    acc = figures.curves({"A": points(0.99, 0.7)}, "acc", x="Step", dark=True)
    assert acc.layout.yaxis.range == (pytest.approx(68), 102)
    assert acc.data[0].line.width < first.line.width


def test_differences_have_their_intervals_and_hollow_marks_where_open():
    rows = [row(), row("acc", change=0.01, low=-0.01, high=0.03), row(runs=("c",))]
    figure = figures.differences(rows, letters, dark=False)
    b, c = figure.data
    assert (b.name, c.name) == ("B", "C")
    assert list(b.x) == pytest.approx([-20, 1])
    assert list(b.error_x.array) == pytest.approx([10, 2])
    assert list(b.error_x.arrayminus) == pytest.approx([10, 2])
    assert list(b.marker.symbol) == ["square", "square-open"]
    assert figure.layout.yaxis.ticktext == ("ASR", "ACC")


def test_ratios_are_on_a_log_axis_with_plain_ticks():
    figure = figures.differences([row("trace", RATIO, change=0.5, low=0.3, high=0.8),
                                  row("sam", RATIO, change=2.0, low=math.nan, high=math.nan),
                                  row("x", RATIO, change=4.0, low=1.0, high=math.inf)],
                                 letters, dark=False)
    assert figure.layout.xaxis.type == "log"
    assert {"×0.5", "×1", "×2"} <= set(figure.layout.xaxis.ticktext)
    assert list(figure.data[0].error_x.array) == pytest.approx([0.3, 0.0, 0.0])


def test_huge_ratios_have_few_ticks():
    figure = figures.differences([row("trace", RATIO, change=1e13, low=1e-3, high=1e15)], letters,
                                 dark=False)
    assert len(figure.layout.xaxis.tickvals) <= 12


def pair(top):
    return {"ngf": (np.array([top, top / 2]), np.array([0.1, 0.1]))}


def test_spectra_share_their_axis():
    panels = figures.spectra({"A": (pair(10.0), {}), "B": (pair(40.0), pair(-3.0))},
                             matrix="Hessian", dark=False)
    ranges = {panel.layout.yaxis.range for panel in panels}
    assert len(ranges) == 1
    (low, high), = ranges
    assert low < -3 and high > 40
    assert [panel.layout.title.text for panel in panels] == ["<b>A</b>", "<b>B</b>"]


def test_a_value_that_is_not_finite_does_not_break_the_axis():
    panels = figures.spectra({"A": ({"ngf": (np.array([np.inf, np.nan, 5.0]), np.array(
        [np.nan, 0.1, 0.1]))}, {})}, matrix="Hessian", dark=False)
    assert all(map(math.isfinite, panels[0].layout.yaxis.range))


def test_densities_share_both_axes():
    def one(end, peak):
        grid = np.linspace(-1, end, 20)
        return {"ngf": (grid, peak * np.exp(-grid[None]**2))}

    panels = figures.densities({"A": one(5, 1.0), "B": one(50, 0.01)}, dark=False)
    assert len({panel.layout.xaxis.range for panel in panels}) == 1
    assert len({panel.layout.yaxis.range for panel in panels}) == 1
    assert panels[0].layout.xaxis.range == (-1, 50)


def plane(scale, half):
    side = np.linspace(-half, half, 5)
    return figures.Plane(side, side, scale * (0.1 + side[None]**2 + side[:, None]**2))


def test_planes_share_colours_and_the_widest_axes():
    panels = figures.planes({"A": plane(1.0, 0.5), "B": plane(9.0, 1.0)}, "ngf", log=True,
                            dark=False)
    for panel in panels:
        colours = panel.layout.coloraxis
        assert (colours.cmin, colours.cmax) == pytest.approx((-1, math.log10(9 * 2.1)))
    assert {p.layout.xaxis.range for p in panels} == {(-1.0, 1.0)}
    assert [p.layout.title.text for p in panels] == ["<b>A</b>", "<b>B</b>"]


def test_planes_with_blanks_and_plain_loss():
    broken = plane(1.0, 1.0)
    broken.loss[0, 0] = np.inf
    panels = figures.planes({"A": broken, "B": plane(2.0, 1.0)}, "ngf", log=False, dark=True)
    assert panels[0].layout.coloraxis.cmax == pytest.approx(2 * 2.1)


def test_tables_of_runs_are_stacked_with_letter_and_id():
    table = figures.stacked({"A": pd.DataFrame({"x": [1]}), "B": pd.DataFrame({"x": [2, 3]})},
                            {"A": "one", "B": "two"})
    assert table.values.tolist() == [["A", "one", 1], ["B", "two", 2], ["B", "two", 3]]
