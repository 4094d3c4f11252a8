"""A drawing as one word of text: how the picture of a painted trigger stands in configs, addresses
and commands.

A drawing is uint8 (height, width, 4): red, green, blue, and 255 where there is paint; pixels
without paint are 0, 0, 0, 0. Its text is URL-safe base64 without padding of these bytes:

- width and height, two bytes each, the higher one first;
- the number of colours, one byte, and red, green, blue of each, in the order in which they appear;
- runs of equal pixels, row by row: their length in two bytes, as long as may be, and in one byte
  their colour, from 1, or 0 for no paint.

So each drawing has exactly one text, whatever library or machine wrote it: equal drawings give
equal settings. A picture format that compresses would depend on the version of its library.
"""

import base64
import binascii
import struct

import numpy as np
from numpy.typing import NDArray

from ngf_core.errors import ConfigError

MOST_TEXT = 8000  # characters; addresses and command lines of this length pass everywhere
MOST_SIDE, MOST_COLOURS, LONGEST_RUN = 1024, 255, 2**16 - 1
AGAIN = "Paint it again on the Attacks page, or copy its text whole."


def to_text(drawing: NDArray[np.uint8]) -> str:
    """The text of a drawing.

    Raises ConfigError where nothing is painted, for a side over `MOST_SIDE`, more than
    `MOST_COLOURS` colours, and a text over `MOST_TEXT`.
    """
    height, width = drawing.shape[:2]
    if not (1 <= width <= MOST_SIDE and 1 <= height <= MOST_SIDE):
        raise ConfigError("parameters", f"the picture has {width:,} x {height:,} pixels",
                          f"Its sides may have 1 to {MOST_SIDE:,}.")
    flat = drawing.reshape(-1, 4)
    paint = flat[:, 3] > 0
    if not paint.any():
        raise ConfigError("parameters", "nothing is painted in the picture",
                          "Paint at least one pixel.")
    sorted_colours, first, which = np.unique(flat[paint, :3], axis=0, return_index=True,
                                             return_inverse=True)
    if len(first) > MOST_COLOURS:
        raise ConfigError("parameters", f"the picture has {len(first):,} colours",
                          f"Use at most {MOST_COLOURS}.")
    order = np.argsort(first)
    levels = np.zeros(len(flat), np.uint8)
    levels[paint] = 1 + np.argsort(order)[which.reshape(-1)]
    starts = np.flatnonzero(np.diff(levels, prepend=levels[0] + np.uint8(1)))
    runs = [struct.pack(">HB", min(LONGEST_RUN, end - begin), levels[start])
            for start, end in zip(starts, [*starts[1:], len(levels)], strict=True)
            for begin in range(start, end, LONGEST_RUN)]
    head = struct.pack(">HHB", width, height, len(order)) + sorted_colours[order].tobytes()
    text = base64.urlsafe_b64encode(head + b"".join(runs)).decode().rstrip("=")
    if len(text) > MOST_TEXT:
        raise ConfigError("parameters", f"the picture takes {len(text):,} characters as text",
                          f"They may be {MOST_TEXT:,}: paint fewer or simpler shapes.")
    return text


def from_text(text: object) -> NDArray[np.uint8]:
    """The drawing that `to_text` wrote; ConfigError, field "parameters", for any other text."""
    if not isinstance(text, str) or not text:
        raise ConfigError("parameters", "the picture is no text", AGAIN)
    if len(text) > MOST_TEXT:
        raise ConfigError("parameters", f"the picture has {len(text):,} characters",
                          f"They may be {MOST_TEXT:,}: paint fewer or simpler shapes.")
    packed = _bytes(text)
    if len(packed) < 5:
        raise ConfigError("parameters", "the picture ends before its size is told", AGAIN)
    width, height, count = struct.unpack(">HHB", packed[:5])
    if not (1 <= width <= MOST_SIDE and 1 <= height <= MOST_SIDE):
        raise ConfigError("parameters", f"the picture has {width:,} x {height:,} pixels",
                          f"Its sides may have 1 to {MOST_SIDE:,}.")
    colours, runs = packed[5 : 5 + 3 * count], packed[5 + 3 * count :]
    if len(colours) < 3 * count or len(runs) % 3:
        raise ConfigError("parameters", "the picture was cut off", AGAIN)
    run = np.frombuffer(runs, np.dtype([("length", ">u2"), ("colour", "u1")]))
    pixels = int(run["length"].sum(dtype=np.int64))
    if pixels != width * height:
        raise ConfigError("parameters", f"the picture tells {pixels:,} of its "
                          f"{width * height:,} pixels", AGAIN)
    if run["colour"].max() > count:
        raise ConfigError("parameters", f"the picture names colour {run['colour'].max()} of "
                          f"{count}", AGAIN)
    palette = np.zeros((count + 1, 4), np.uint8)
    palette[1:, :3] = np.frombuffer(colours, np.uint8).reshape(count, 3)
    palette[1:, 3] = 255
    drawing = np.repeat(palette[run["colour"]], run["length"], axis=0).reshape(height, width, 4)
    written = to_text(drawing)
    if written != text:
        # Two texts of one picture would be two settings, and its runs would not be shared.
        raise ConfigError("parameters", "the picture is not in the one form in which it is "
                          "written", f"Write it as {written}.")
    return drawing


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError("parameters", "the picture is not text of the letters A to Z, a to z, 0 "
                          "to 9, - and _, or was cut off", AGAIN) from None
