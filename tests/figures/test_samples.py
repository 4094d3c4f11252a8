"""Sample strips: enlarged pixel by pixel, differences around grey."""

import io

import numpy as np
import pytest
from PIL import Image

from app.figures.samples import GAP, difference, png, strip


def images(count: int = 3, channels: int = 3, side: int = 4) -> np.ndarray:
    shape = (count, channels, side, side)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_strip_enlarges_each_pixel_to_a_block() -> None:
    clean = images()
    sheet = strip(clean, scale=5)
    assert sheet.shape == (20, 3 * 20 + 2 * GAP * 5, 4)
    left = 2 * (20 + GAP * 5)
    block = sheet[5:10, left + 10:left + 15]
    np.testing.assert_array_equal(block[..., :3], np.broadcast_to(clean[2, :, 1, 2], (5, 5, 3)))
    assert (block[..., 3] == 255).all()


def test_gaps_are_transparent() -> None:
    sheet = strip(images(2), scale=1)
    assert (sheet[:, 4:4 + GAP, 3] == 0).all()


def test_strip_wraps_into_rows() -> None:
    clean = images(3)
    sheet = strip(clean, scale=1, columns=2)
    assert sheet.shape == (2 * 4 + GAP, 2 * 4 + GAP, 4)
    np.testing.assert_array_equal(sheet[4 + GAP:, :4, 0], clean[2, 0])
    assert (sheet[4 + GAP:, 4 + GAP:, 3] == 0).all()


def test_grey_images_become_grey_colours() -> None:
    clean = images(1, channels=1)
    sheet = strip(clean, scale=1)
    for channel in range(3):
        np.testing.assert_array_equal(sheet[..., channel], clean[0, 0])


def test_difference_is_magnified_around_grey_without_clipping() -> None:
    clean = np.full((1, 3, 2, 2), 100, np.uint8)
    triggered = clean.copy()
    triggered[0, 0, 0, 0], triggered[0, 1, 1, 1] = 110, 95
    changed, gain = difference(clean, triggered)
    assert gain == pytest.approx(12.7)
    assert changed[0, 0, 0, 0] == 255 and changed[0, 1, 1, 1] == 64
    assert (np.delete(changed.ravel(), [0, 7]) == 128).all()


def test_difference_knows_no_wrap_around() -> None:
    clean, triggered = np.full((1, 1, 1, 2), 255, np.uint8), np.array([[[[0, 255]]]], np.uint8)
    changed, gain = difference(clean, triggered)
    assert changed.ravel().tolist() == [1, 128] and gain < 1


def test_no_difference_is_plain_grey() -> None:
    changed, gain = difference(images(), images())
    assert (changed == 128).all() and gain == 1.0


def test_png_keeps_every_pixel() -> None:
    sheet = strip(images(), scale=2)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png(sheet)))), sheet)


@pytest.mark.parametrize("wrong", [np.zeros((1, 3, 4, 4)), np.zeros((3, 4, 4), np.uint8),
                                   np.zeros((1, 2, 4, 4), np.uint8)])
def test_what_is_no_image_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        strip(wrong)


def test_unequal_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="triggered is"):
        difference(images(2), images(3))
