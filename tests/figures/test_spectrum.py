"""Spectrum figures: stems with residuals, convergence, density on a log axis, Fisher."""

import numpy as np
import pytest

from app.figures import spectrum
from app.theme import METHODS

STEMS = {"before": (np.array([100.0, 50.0]), np.array([0.1, 5.0])),
         "ngf": (np.array([40.0, 20.0]), np.array([0.01, 0.02]))}


def test_a_residual_above_one_percent_is_not_converged() -> None:
    flags = spectrum.unconverged(np.array([100.0, 100.0, -100.0, np.nan, 0.0]),
                                 np.array([1.0, 1.01, 0.5, 0.0, 0.0]))
    assert flags.tolist() == [False, True, False, True, False]
    assert spectrum.unconverged([5.0], [np.nan]).tolist() == [True]


def test_stems_reach_from_zero_to_the_eigenvalue_with_residual_bars() -> None:
    figure = spectrum.stems(STEMS, dark=False)
    marks = [trace for trace in figure.data if trace.mode == "markers"]
    stems = [trace for trace in figure.data if trace.mode == "lines"]
    np.testing.assert_allclose(marks[0].y, [100, 50])
    np.testing.assert_allclose(marks[0].error_y.array, [0.1, 5.0])
    np.testing.assert_allclose(np.array(stems[0].y, float)[[0, 1, 3, 4]], [0, 100, 0, 50])
    assert [mark.marker.color for mark in marks] == [METHODS["before"].color, METHODS["ngf"].color]
    assert [stem.line.dash for stem in stems] == ["dot", "solid"]


def test_a_click_on_a_mark_names_its_eigenvalue() -> None:
    marks = [t for t in spectrum.stems(STEMS, lowest={"ngf": STEMS["ngf"]}, dark=False).data
             if t.mode == "markers"]
    assert [at[1] for at in marks[1].customdata] == ["ngf.1", "ngf.2", "ngf.min", "ngf.min+1"]
    event = {"selection": {"points": [{"customdata": list(marks[1].customdata[2])}]}}
    assert spectrum.picked_stem(event) == "ngf.min"
    assert spectrum.picked_stem({"selection": {"points": []}}) is None
    assert spectrum.picked_stem(None) is None


def test_unconverged_eigenvalues_are_hollow() -> None:
    marks = [t for t in spectrum.stems(STEMS, dark=False).data if t.mode == "markers"]
    assert list(marks[0].marker.symbol) == ["x", "x-open"]
    assert list(marks[1].marker.symbol) == ["circle", "circle"]


def test_stems_of_different_models_stand_side_by_side() -> None:
    marks = [t for t in spectrum.stems(STEMS, dark=True).data if t.mode == "markers"]
    assert marks[0].x[0] < 1 < marks[1].x[0] and marks[1].x[0] < marks[0].x[1]


def test_density_is_the_mean_on_a_log_axis_with_the_probe_band() -> None:
    grid = np.array([0.0, 1.0, 2.0])
    curves = np.array([[1.0, 0.1, 0.0], [3.0, 0.3, 0.0]])
    figure = spectrum.density({"ngf": (grid, curves)}, dark=False)
    band, mean = figure.data
    np.testing.assert_allclose(np.array(mean.y, float)[:2], [2.0, 0.2])
    assert np.isnan(mean.y[2])
    np.testing.assert_allclose(band.y[:2], [3.0, 0.3])
    np.testing.assert_allclose(band.y[-2:], [0.1, 1.0])
    assert figure.layout.yaxis.type == "log" and band.fill == "toself"


def test_density_axis_covers_six_decades_below_the_peak() -> None:
    figure = spectrum.density({"ngf": (np.arange(3), np.array([[10.0, 1e-3, 1e-12]]))}, dark=False)
    assert figure.layout.yaxis.range[0] == pytest.approx(-5)


def test_fisher_is_sorted_on_a_log_axis_without_what_is_not_positive() -> None:
    figure = spectrum.fisher({"sgd": np.array([1.0, 3.0, 0.0, -1e-9, 2.0, np.nan])}, dark=False)
    np.testing.assert_allclose(figure.data[0].y, [3, 2, 1])
    np.testing.assert_allclose(figure.data[0].x, [1, 2, 3])
    assert figure.layout.yaxis.type == "log"


@pytest.mark.parametrize(("value", "error", "text"), [
    (130.0, 0.1, "130.0 ± 0.1"), (360.2, 31.4, "360 ± 31"), (1234.5, 100.0, "1,234 ± 100"),
    (0.01234, 0.0021, "0.0123 ± 0.0021"), (5.0, 0.0, "5 ± 0"), (float("nan"), 1.0, "not finite"),
    (5.0, float("nan"), "5 ± unknown"), (118.0, 1e-6, "118.0 ± <0.1"),
    (116.6, 3e-16, "116.6 ± <0.1"), (1234.5, 0.4, "1,234 ± <1"), (116.6, 0.06, "116.6 ± 0.1"),
    (0.01234, 1e-9, "0.01234 ± <0.00001")])
def test_with_error(value: float, error: float, text: str) -> None:
    assert spectrum.with_error(value, error) == text


def test_nothing_to_draw_draws_an_empty_figure() -> None:
    assert not spectrum.stems({}, dark=False).data
    assert not spectrum.density({}, dark=False).data
    assert not spectrum.fisher({}, dark=True).data
    assert spectrum.stems_table({}).empty and spectrum.fisher_table({}).empty


def test_tables_hold_the_numbers() -> None:
    table = spectrum.stems_table(STEMS)
    assert table["converged"].tolist() == [True, False, True, True]
    grid = np.array([0.0, 1.0])
    density = spectrum.density_table({"ngf": (grid, np.array([[1.0, 2.0], [3.0, 6.0]]))})
    assert density.iloc[1].tolist() == ["ngf", 1.0, 4.0, 2.0, 6.0]


def test_the_smallest_eigenvalues_stand_right_of_a_gap() -> None:
    lowest = {"before": (np.array([-9.0, -3.0]), np.array([0.01, 2.0]))}
    figure = spectrum.stems(STEMS, lowest=lowest, dark=False)
    marks = [trace for trace in figure.data if trace.mode == "markers"]
    assert list(marks[0].y) == [100, 50, -9, -3] and list(marks[1].y) == [40, 20]
    assert list(marks[0].text) == ["λ1", "λ2", "min", "min+1"]
    assert list(marks[0].x - marks[0].x[0]) == pytest.approx([0, 1, 3.5, 2.5])
    assert marks[0].marker.symbol[3].endswith("-open")
    assert list(figure.layout.xaxis.ticktext) == ["1", "2", "min+1", "min"]
    assert list(figure.layout.xaxis.tickvals) == [1, 2, 3.5, 4.5]
    table = spectrum.stems_table(STEMS, lowest)
    assert table[table["model"] == "before"]["rank"].tolist() == ["1", "2", "min", "min+1"]


def test_the_matrix_names_the_axis() -> None:
    figure = spectrum.stems(STEMS, matrix="Gauss-Newton", dark=False)
    assert figure.layout.yaxis.title.text == "Gauss-Newton eigenvalue λ"
