"""The loss along an eigenvector: what is drawn beside it, and how far apart they get."""

import numpy as np
import pytest

from app.figures.slices import Slice, slice_figure, slice_table
from app.theme import METHODS

T = np.linspace(-0.5, 0.5, 5)
CUBIC = Slice("ngf", T, 0.2 + 0.1 * T + 8 * T**2 / 2 + 0.4 * T**3, 8.0, 0.01, 0.1)


def test_the_parabola_has_the_loss_the_slope_and_the_curvature_at_the_model() -> None:
    np.testing.assert_allclose(CUBIC.parabola, [1.15, 0.425, 0.2, 0.475, 1.25])
    assert CUBIC.farthest == pytest.approx(0.4 * 0.5**3)
    both = slice_table(CUBIC)
    np.testing.assert_allclose(both["loss"] - both["parabola"], 0.4 * T**3, atol=1e-15)


def test_measured_dots_lie_on_the_dotted_parabola() -> None:
    parabola, measured = slice_figure(CUBIC, dark=False).data
    assert parabola.line.dash == "dot" and "markers" in measured.mode
    assert measured.line.color == METHODS["ngf"].color and measured.name == "NGF, measured"
    np.testing.assert_allclose(measured.y, CUBIC.loss)


def test_a_loss_that_is_not_finite_is_a_gap_and_no_distance() -> None:
    loss = CUBIC.loss.copy()
    loss[0] = np.inf
    broken = Slice("ngf", T, loss, 8.0, 0.01, 0.1)
    assert np.isnan(slice_figure(broken, dark=True).data[1].y[0])
    assert broken.farthest == pytest.approx(0.4 * 0.5**3)  # at the other end
    assert np.isnan(Slice("ngf", T, loss * np.nan, 8.0, 0.01, 0.1).farthest)
