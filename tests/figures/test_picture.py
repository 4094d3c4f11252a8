"""A surface as a picture: its colours, its orientation and what is not known."""

import numpy as np
from plotly.colors import sample_colorscale

from app.figures.landscape.picture import FINE, picture


def test_the_last_row_is_on_top_and_the_ends_have_the_scales_ends():
    loss = np.array([[0.01, 0.1], [1.0, 100.0]])
    drawn = picture(loss)
    assert drawn.shape == (2 * FINE, 2 * FINE, 4) and (drawn[..., 3] == 255).all()
    low, high = (np.round(255 * np.array(colour)) for colour in
                 sample_colorscale("Cividis", [0, 1], colortype="tuple"))
    assert np.array_equal(drawn[-1, 0, :3], low)
    assert np.array_equal(drawn[0, -1, :3], high)


def test_between_the_points_it_goes_evenly_in_the_logarithm():
    drawn = picture(np.array([[1e-2, 1e2]]))
    shades = np.round(255 * np.array(sample_colorscale(
        "Cividis", np.linspace(0, 1, 2 * FINE), colortype="tuple")))
    assert np.abs(drawn[0, :, :3] - shades).max() <= 2


def test_what_is_not_known_is_transparent():
    loss = np.array([[1.0, 2.0, 4.0], [1.0, np.nan, 4.0], [1.0, 2.0, 0.0]])
    drawn = picture(loss)
    assert drawn[-1, 0, 3] == 255 and drawn[0, -1, 3] == 0
    middle = len(drawn) // 2
    assert drawn[middle, middle, 3] == 0


def test_a_flat_surface_is_drawn():
    assert np.isfinite(picture(np.ones((3, 3)))).all()
