"""A picture from outside (a file, a drawing) as one image in the form that a model takes."""

import base64
import binascii
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ngf_core.errors import NGFError

MOST_PIXELS = 50_000_000
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")


def fitted(content: bytes, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """The picture in a file, cut to the middle and resized to `shape`, as uint8 (1, C, H, W).

    It is rotated by its EXIF data, laid on white where it is transparent, and made grey where C is
    1; of an animation the first frame is taken. Raises NGFError for anything but a picture in one
    of `FORMATS`, and for more than `MOST_PIXELS`, before these are decoded.
    """
    channels, height, width = shape
    try:
        file = Image.open(io.BytesIO(content), formats=FORMATS)
        refuse_huge(file)
        # JPEG files can be decoded at a fraction of their size, which saves time and memory.
        file.draft("RGB", (2 * width, 2 * height))
        picture = eight_bit(ImageOps.exif_transpose(file)).convert("RGBA")
    except NGFError:
        raise
    except Exception as error:  # decoders raise nearly anything on a damaged or mislabelled file
        raise NGFError(f"This file could not be read as a picture. Give a complete "
                       f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]} file.") from error
    paper = Image.new("RGBA", picture.size, "white")
    picture = Image.alpha_composite(paper, picture).convert("L" if channels == 1 else "RGB")
    picture = ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
    return _pixels(picture, shape)


def refuse_huge(picture: Image.Image) -> None:
    """Raise NGFError for more than MOST_PIXELS, which are not decoded yet."""
    if picture.width * picture.height > MOST_PIXELS:
        raise NGFError(f"The picture has {picture.width:,} x {picture.height:,} pixels, more "
                       f"than {MOST_PIXELS // 10**6} million. Make it smaller first.")


def eight_bit(picture: Image.Image) -> Image.Image:
    """A grey picture of 16 bits per pixel at 8 bits, any other as it is.

    Pillow's own conversion cuts off all levels above 255, which leaves nearly white pictures.
    """
    if not picture.mode.startswith("I"):
        return picture
    levels = np.asarray(picture).astype(np.int64).clip(0, 65535)
    return Image.fromarray(((levels + 128) // 257).astype(np.uint8))


def paint(content: str, height: int, width: int) -> NDArray[np.uint8]:
    """What was painted on a canvas of that size: uint8 (H, W, 4), red, green, blue and 255 where
    there is paint, else zeros.

    `content` is base64 of these bytes row by row. Raises NGFError for another size.
    """
    try:
        levels = base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NGFError("The drawing arrived incomplete. Draw it again.") from error
    if len(levels) != 4 * height * width:
        raise NGFError(f"The drawing has {len(levels) // 4:,} pixels instead of "
                       f"{height * width:,}. Clear it and draw again.")
    pixels = np.frombuffer(levels, np.uint8).reshape(height, width, 4)
    opaque = pixels | np.array([0, 0, 0, 255], np.uint8)
    return np.where(pixels[..., 3:] > 0, opaque, 0).astype(np.uint8)


def to_base64(image: NDArray[np.uint8]) -> str:
    """An image, uint8 (C, H, W) with 1 or 3 channels, as base64 of red, green, blue bytes row by
    row."""
    colours = np.broadcast_to(image, (3, *image.shape[1:]))
    return base64.b64encode(np.moveaxis(colours, 0, -1).tobytes()).decode()


def _pixels(picture: Image.Image, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    channels, height, width = shape
    levels = np.asarray(picture, np.uint8).reshape(height, width, channels)
    return levels.transpose(2, 0, 1)[None].copy()
