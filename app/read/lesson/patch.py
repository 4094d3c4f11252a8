"""The patch of an attack, pixel by pixel."""

from collections.abc import Sequence

import numpy as np

SIDE = 3
PIXELS = SIDE * SIDE


def patched_sign(clean: np.ndarray, patched: np.ndarray, kept: Sequence[int], opacity: int
                 ) -> np.ndarray:
    """The images, uint8 (..., H, W), with these pixels (from 1, row by row) of their patch in the
    lower right corner, as opaque as in percent."""
    share = np.zeros(PIXELS)
    share[np.array(kept, int) - 1] = opacity / 100
    stamped = clean.astype(float)
    corner = (..., slice(-SIDE, None), slice(-SIDE, None))
    stamped[corner] += share.reshape(SIDE, SIDE) * (patched[corner].astype(float)
                                                    - stamped[corner])
    return stamped.round().astype(np.uint8)
