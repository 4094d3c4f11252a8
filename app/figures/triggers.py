"""Images without and with a trigger, one above the other, with what the trigger changed."""

import base64

import numpy as np

from app.figures.samples import difference, png, strip


def columns(clean: np.ndarray, triggered: np.ndarray | None, scale: int = 5
            ) -> tuple[list[np.ndarray], float]:
    """One RGBA picture per image, and the gain of the differences in them.

    From top to bottom: clean, triggered, 128 + gain * (triggered - clean), with the same gain for
    all images; uint8 (n, C, H, W) in. Only clean, and a gain of 1, without triggered images.
    """
    if triggered is None:
        return [strip(image[None], scale) for image in clean], 1.0
    changed, gain = difference(clean, triggered)
    rows = np.stack((clean, triggered, changed), 1)
    return [strip(row, scale, columns=1) for row in rows], gain


def sheet(clean: np.ndarray, triggered: np.ndarray | None, scale: int = 5) -> np.ndarray:
    """The same as one RGBA picture: one row each of clean, triggered and difference."""
    if triggered is None:
        return strip(clean, scale)
    changed, _ = difference(clean, triggered)
    return strip(np.concatenate((clean, triggered, changed)), scale, columns=len(clean))


def enlargement(side: int, wanted: int = 160) -> int:
    """The whole number of screen pixels for one of the image's, near `wanted` in all."""
    return max(1, round(wanted / side))


def data_url(picture: np.ndarray) -> str:
    """An (H, W, 3 or 4) uint8 array as a PNG within an address: it reaches the page together with
    the text beside it, where a separate file may be deleted before a browser requests it."""
    return f"data:image/png;base64,{base64.b64encode(png(picture)).decode()}"
