"""Pictures from outside: cut, resized, made grey, and refused in a sentence."""

import base64
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ngf_core.data.picture import MOST_PIXELS, fitted, paint, to_base64
from ngf_core.errors import NGFError

COLOUR, GREY = (3, 32, 32), (1, 32, 32)


def file(picture: Image.Image, format: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def thirds(width: int = 96, height: int = 32) -> Image.Image:
    """Red, green and blue from left to right."""
    picture = Image.new("RGB", (width, height))
    for place, colour in enumerate(((255, 0, 0), (0, 255, 0), (0, 0, 255))):
        picture.paste(colour, (place * width // 3, 0, (place + 1) * width // 3, height))
    return picture


def test_the_middle_is_kept():
    image = fitted(file(thirds()), COLOUR)
    assert image.shape == (1, 3, 32, 32) and image.dtype == np.uint8
    assert (image[0, 1] == 255).all() and (image[0, [0, 2]] == 0).all()


def test_a_picture_of_the_right_size_keeps_every_pixel():
    levels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    image = fitted(file(Image.fromarray(levels)), COLOUR)
    np.testing.assert_array_equal(image[0], levels.transpose(2, 0, 1))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_every_format_and_mode(format, mode):
    picture = Image.new("RGB", (300, 200), "white").convert(mode)
    if format in ("JPEG", "WEBP") and mode in ("P", "1"):
        picture = picture.convert("L")
    for shape in (COLOUR, GREY, (3, 64, 64)):
        image = fitted(file(picture, format), shape)
        assert image.shape == (1, *shape) and (image >= 254).all()


def test_sixteen_bits_become_eight():
    levels = np.array([[0, 128, 129, 20000], [257, 257 * 77, 65000, 65535]], np.uint16)
    image = fitted(file(Image.fromarray(levels)), (1, 2, 4))
    assert image[0, 0].tolist() == [[0, 0, 1, 78], [1, 77, 253, 255]]


def test_grey_is_luma():
    image = fitted(file(Image.new("RGB", (50, 50), (255, 0, 0))), GREY)
    assert np.unique(image).tolist() == [76]  # 0.299 * 255


def test_what_is_transparent_is_white():
    picture = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    assert (fitted(file(picture), COLOUR) == 255).all()


def test_a_photograph_is_turned_as_it_says():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    tall = fitted(file(thirds(96, 96), "JPEG", exif=exif, quality=95), COLOUR)[0]
    assert tall[:, 2, 16].argmax() == 0 and tall[:, 29, 16].argmax() == 2


def test_big_files_become_small():
    assert fitted(file(thirds(3000, 1000), "JPEG"), COLOUR).shape == (1, 3, 32, 32)


def test_a_giant_is_refused_before_it_is_decoded():
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 8000, MOST_PIXELS // 8000 + 1, 8, 2, 0, 0, 0))
    giant = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(NGFError, match="8,000 x 6,251 pixels, more than 50 million"):
        fitted(giant, COLOUR)


@pytest.mark.parametrize("content", [b"", b"no picture", b"%PDF-1.7", file(thirds())[:60],
                                     file(thirds(), "JPEG")[:200], b"<svg></svg>",
                                     file(thirds(), "TIFF")])
def test_what_is_no_whole_picture_is_refused_in_a_sentence(content):
    with pytest.raises(NGFError, match="could not be read as a picture"):
        fitted(content, COLOUR)


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_goes_to_the_browser_in_colours_row_by_row(channels):
    image = np.arange(channels * 6, dtype=np.uint8).reshape(channels, 2, 3)
    levels = list(base64.b64decode(to_base64(image)))
    assert levels == [int(image[c % channels, row, column])
                      for row in range(2) for column in range(3) for c in range(3)]


def test_paint_is_read_row_by_row_and_opaque_or_nothing():
    levels = bytes([1, 2, 3, 255, 4, 5, 6, 0, 7, 8, 9, 128, 0, 0, 0, 255, 0, 0, 0, 0, 9, 9, 9, 255])
    drawn = paint(base64.b64encode(levels).decode(), 2, 3)
    assert drawn.dtype == np.uint8
    assert drawn.tolist() == [[[1, 2, 3, 255], [0, 0, 0, 0], [7, 8, 9, 255]],
                              [[0, 0, 0, 255], [0, 0, 0, 0], [9, 9, 9, 255]]]


@pytest.mark.parametrize(("content", "said"), [
    ("???", "arrived incomplete"), ("AAAAAA==", "has 1 pixels instead of 1,024"),
    ("\u00e9", "arrived incomplete"), ("", "has 0 pixels")])
def test_a_drawing_of_another_size_is_refused(content, said):
    with pytest.raises(NGFError, match=said):
        paint(content, 32, 32)
