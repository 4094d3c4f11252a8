"""A drawing as text: there and back, one text per drawing, every other text refused in words."""

import base64
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ngf_core.attacks.drawing import MOST_COLOURS, MOST_SIDE, MOST_TEXT, from_text, to_text
from ngf_core.errors import ConfigError

RED, BLUE = (255, 0, 0, 255), (0, 80, 255, 255)


def word(packed: bytes) -> str:
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def runs(*of: tuple[int, int]) -> bytes:
    return b"".join(struct.pack(">HB", *run) for run in of)


def two_by_two() -> np.ndarray:
    drawing = np.zeros((2, 3, 4), np.uint8)
    drawing[0, 1:] = BLUE
    drawing[1, 0] = RED
    return drawing


def test_the_bytes_are_those_that_are_documented():
    # 3 wide, 2 high, blue before red: no paint, two blue, one red, two without paint.
    packed = bytes([0, 3, 0, 2, 2, 0, 80, 255, 255, 0, 0]) + runs((1, 0), (2, 1), (1, 2), (2, 0))
    assert to_text(two_by_two()) == word(packed)
    np.testing.assert_array_equal(from_text(word(packed)), two_by_two())


@settings(max_examples=60, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)),
              elements=st.integers(0, 4)))
def test_every_drawing_goes_there_and_back(levels):
    palette = np.array([(0, 0, 0, 0), RED, BLUE, (0, 0, 0, 255), (255, 255, 255, 255)], np.uint8)
    if not levels.any():
        levels[0, 0] = 1
    text = to_text(palette[levels])
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    np.testing.assert_array_equal(from_text(text), palette[levels])


def test_a_run_longer_than_two_bytes_tell_is_several():
    drawing = np.broadcast_to(np.array(RED, np.uint8), (600, 600, 4))
    assert len(to_text(drawing)) < 60
    np.testing.assert_array_equal(from_text(to_text(drawing)), drawing)


def test_a_drawing_that_has_no_text_says_why():
    empty = np.zeros((4, 4, 4), np.uint8)
    with pytest.raises(ConfigError, match="nothing is painted in the picture. Paint at least one"):
        to_text(empty)
    with pytest.raises(ConfigError, match=r"the picture has 1,025 x 4 pixels. Its sides may have 1 "
                       "to 1,024"):
        to_text(np.full((4, MOST_SIDE + 1, 4), 255, np.uint8))
    colours = np.full((16, 16, 4), 255, np.uint8)
    colours[..., 0] = np.arange(256).reshape(16, 16)
    with pytest.raises(ConfigError, match="has 256 colours. Use at most 255"):
        to_text(colours)
    colours[0, 0] = colours[0, 1]
    assert len(np.unique(from_text(to_text(colours)).reshape(-1, 4), axis=0)) == MOST_COLOURS
    chequered = np.zeros((100, 100, 4), np.uint8)
    chequered[::2, ::2] = RED
    with pytest.raises(ConfigError, match="takes .* characters as text. They may be 8,000: paint "
                       "fewer or simpler"):
        to_text(chequered)


HEAD = bytes([0, 2, 0, 2, 1, 255, 0, 0])  # 2 x 2 pixels, one colour, red


@pytest.mark.parametrize(("text", "says"), [
    (None, "the picture is no text"),
    ("", "the picture is no text"),
    (1.5, "the picture is no text"),
    ("A" * (MOST_TEXT + 1), "has 8,001 characters. They may be 8,000"),
    ("../../etc/passwd", "not text of the letters"),
    ("gASVCw==!", "not text of the letters"),
    ("\u00e9\u00e9", "not text of the letters"),
    ("AAAAA", "or was cut off"),
    ("AAAA", "ends before its size is told"),
    (word(bytes([0, 0, 0, 2, 0])), "has 0 x 2 pixels. Its sides may have 1 to 1,024"),
    (word(bytes([255, 255, 255, 255, 0])), "has 65,535 x 65,535 pixels"),
    (word(HEAD[:6]), "was cut off. Paint it again"),
    (word(HEAD + b"\0\4"), "was cut off"),
    (word(HEAD), "tells 0 of its 4 pixels"),
    (word(HEAD + runs((3, 1))), "tells 3 of its 4 pixels"),
    (word(HEAD + runs((65535, 1), (4, 1))), "tells 65,539 of its 4 pixels"),
    (word(HEAD + runs((4, 2))), "names colour 2 of 1"),
    (word(HEAD + runs((4, 0))), "nothing is painted in the picture"),
])
def test_any_other_text_is_refused_in_words(text, says):
    with pytest.raises(ConfigError) as caught:
        from_text(text)
    assert caught.value.field == "parameters" and says in str(caught.value)


@pytest.mark.parametrize("packed", [
    HEAD + runs((2, 1), (2, 1)),  # one run as two
    HEAD + runs((0, 0), (4, 1)),  # an empty run
    bytes([0, 2, 0, 2, 2, 255, 0, 0, 1, 1, 1]) + runs((4, 1)),  # a colour that is not used
    bytes([0, 2, 0, 2, 2, 1, 1, 1, 255, 0, 0]) + runs((1, 2), (3, 1)),  # colours in another order
])
def test_another_writing_of_a_drawing_is_refused_and_told_the_one(packed):
    with pytest.raises(ConfigError, match="not in the one form in which it is written") as caught:
        from_text(word(packed))
    written = str(caught.value).rpartition("Write it as ")[2].rstrip(".")
    assert to_text(from_text(written)) == written


def test_what_the_last_letter_leaves_over_is_no_second_writing():
    packed = HEAD + runs((4, 1))
    text = word(packed)
    assert len(packed) % 3, "the last letter holds bits of no byte"
    other = text[:-1] + chr(ord(text[-1]) + 1)
    assert base64.urlsafe_b64decode(other + "=" * (-len(other) % 4)) == packed
    with pytest.raises(ConfigError, match="not in the one form"):
        from_text(other)
