"""Sample images as strips for the page: clean, triggered, and what the trigger changed."""

import io

import numpy as np
from PIL import Image

GAP = 2


def difference(clean: np.ndarray, triggered: np.ndarray) -> tuple[np.ndarray, float]:
    """The signed change around mid-grey, magnified to fill the range: images, gain.

    uint8 (n, C, H, W) in and out: 128 + gain * (triggered - clean). The gain is the largest without
    clipping; it is 1 where nothing changed.
    """
    _check(clean, triggered)
    change = triggered.astype(float) - clean.astype(float)
    most = float(np.abs(change).max(initial=0.0))
    gain = 127.0 / most if most else 1.0
    return np.round(128.0 + gain * change).astype(np.uint8), gain


def strip(images: np.ndarray, scale: int = 4, columns: int | None = None) -> np.ndarray:
    """Images side by side as one RGBA array, each pixel enlarged to scale x scale.

    uint8 (n, C, H, W) with 1 or 3 channels in; uint8 (rows*H', columns*W', 4) out, with
    transparent gaps, so that the strip suits a light and a dark page.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"expected uint8 (n, 1 or 3, H, W), got {images.dtype} {images.shape}")
    count, _, tall, wide = images.shape
    columns = min(columns or count, max(count, 1))
    rows = -(-count // max(columns, 1))
    gap = GAP * scale
    step_y, step_x = tall * scale + gap, wide * scale + gap
    sheet = np.zeros((max(rows * step_y - gap, 1), max(columns * step_x - gap, 1), 4), np.uint8)
    for index, image in enumerate(images):
        pixels = np.moveaxis(np.broadcast_to(image, (3, tall, wide)), 0, -1)
        pixels = pixels.repeat(scale, axis=0).repeat(scale, axis=1)
        top, left = index // columns * step_y, index % columns * step_x
        sheet[top:top + tall * scale, left:left + wide * scale, :3] = pixels
        sheet[top:top + tall * scale, left:left + wide * scale, 3] = 255
    return sheet


def png(array: np.ndarray) -> bytes:
    """An (H, W, 3 or 4) uint8 array as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG")
    return buffer.getvalue()


def _check(clean: np.ndarray, triggered: np.ndarray) -> None:
    if clean.shape != triggered.shape:
        raise ValueError(f"clean is {clean.shape}, triggered is {triggered.shape}")
