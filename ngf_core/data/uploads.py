"""Images that a browser sent: told by their folder, and bounded by what they take once decoded.

A small zip of small pictures is decoded at a side that its sender chooses.
"""

from pathlib import Path

from ngf_core.errors import ConfigError

FOLDER = ".imported"       # of a store: what browsers and `ngf import` gave it
UPLOAD = "upload"          # the name of decoded uploads in the cache folder
MOST_PIXELS = 100_000_000  # of all images together; three times as many bytes in colour


def uploaded(place: Path | str) -> bool:
    """Whether a folder of images came as an upload."""
    return FOLDER in Path(place).parts


def refuse_large(place: Path | str, count: int, side: int) -> None:
    """Raise ConfigError for an upload whose `count` images have more than MOST_PIXELS pixels at
    side x side."""
    if uploaded(place) and count * side**2 > MOST_PIXELS:
        raise ConfigError("size", f"{count:,} uploaded images of {side} x {side} pixels have "
                          f"{count * side**2 / 1e6:,.0f} million pixels, and at most "
                          f"{MOST_PIXELS / 1e6:g} million are taken",
                          "Choose a smaller side (size), or pack fewer images.")
