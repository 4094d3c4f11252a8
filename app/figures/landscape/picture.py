"""A surface as a picture without axes, for a figure that draws its own."""

import numpy as np
from plotly.colors import sample_colorscale

from app.figures.landscape.scale import extent, height
from app.theme import SEQUENTIAL

SHADES = np.array(sample_colorscale(SEQUENTIAL, 256, colortype="tuple"))
FINE = 8


def picture(loss: np.ndarray) -> np.ndarray:
    """The logarithm of a loss (rows, columns) in Cividis: uint8 (8 rows, 8 columns, 4).

    The last row of `loss` is on top, as on a page with its y axis upwards. Between the grid's
    points it is interpolated linearly; where a corner has no value it is transparent.
    """
    z = height(loss, log=True)[::-1]
    low, high = extent([z])
    for axis in (0, 1):
        z = np.apply_along_axis(_finer, axis, z)
    shade = np.nan_to_num((z - low) / (high - low)).clip(0, 1)
    rgb = np.round(255 * SHADES[np.round(255 * shade).astype(int)])
    return np.dstack([rgb, np.where(np.isfinite(z), 255, 0)]).astype(np.uint8)


def _finer(values: np.ndarray) -> np.ndarray:
    places = np.linspace(0, len(values) - 1, FINE * len(values))
    return np.interp(places, np.arange(len(values)), values)
