"""Pictures with and without a trigger: what stands where, and that nothing is lost on the way."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from app.figures.samples import GAP, difference
from app.figures.triggers import columns, data_url, enlargement, sheet


def images(count: int = 3, channels: int = 3, side: int = 4) -> np.ndarray:
    shape = (count, channels, side, side)
    return np.random.default_rng(0).integers(0, 200, shape, dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_column_is_clean_triggered_and_difference(channels):
    clean = images(channels=channels)
    triggered = clean.copy()
    triggered[1, :, 0, 0] += 50
    pictures, gain = columns(clean, triggered, scale=1)
    assert len(pictures) == 3 and gain == pytest.approx(127 / 50)
    changed, _ = difference(clean, triggered)
    for index, picture in enumerate(pictures):
        assert picture.shape == (3 * 4 + 2 * GAP, 4, 4)
        for place, row in enumerate((clean, triggered, changed)):
            shown = picture[place * (4 + GAP):, :, :3][:4]
            wanted = np.broadcast_to(row[index], (3, 4, 4)).transpose(1, 2, 0)
            np.testing.assert_array_equal(shown, wanted)


def test_all_columns_share_one_gain():
    clean = np.full((2, 1, 2, 2), 100, np.uint8)
    triggered = clean.copy()
    triggered[0] += 1
    triggered[1] += 100
    pictures, gain = columns(clean, triggered, scale=1)
    assert gain == pytest.approx(1.27)
    assert pictures[0][-1, 0, 0] == 129 and pictures[1][-1, 0, 0] == 255


def test_without_a_trigger_there_is_the_clean_picture_alone():
    pictures, gain = columns(images(), None, scale=2)
    assert [picture.shape for picture in pictures] == [(8, 8, 4)] * 3 and gain == 1
    assert sheet(images(), None, scale=1).shape == (4, 3 * 4 + 2 * GAP, 4)


def test_a_sheet_has_a_row_each():
    clean = images(2)
    triggered = clean + 10
    whole = sheet(clean, triggered, scale=1)
    assert whole.shape == (3 * 4 + 2 * GAP, 2 * 4 + GAP, 4)
    second = whole[4 + GAP:8 + GAP, 4 + GAP:, :3]
    np.testing.assert_array_equal(second, triggered[1].transpose(1, 2, 0))


def test_an_address_holds_every_pixel():
    picture = columns(images(), images() + 5, scale=3)[0][0]
    head, _, body = data_url(picture).partition(",")
    assert head == "data:image/png;base64"
    kept = np.asarray(Image.open(io.BytesIO(base64.b64decode(body))))
    np.testing.assert_array_equal(kept, picture)


@pytest.mark.parametrize(("side", "scale"), [(28, 6), (32, 5), (64, 2), (224, 1), (512, 1)])
def test_pixels_are_enlarged_by_whole_numbers(side, scale):
    assert enlargement(side) == scale
