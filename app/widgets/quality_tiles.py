"""How visible a trigger is, as tiles: PSNR, SSIM and L-infinity with their ranges."""

import math
from typing import TYPE_CHECKING

import streamlit as st

from app.text import define, sections

if TYPE_CHECKING:
    from ngf_core.quality import Quality, Spread

TEXT = sections("attacks")


def quality_tiles(quality: "Quality", *, key: str) -> None:
    """A tile each: mean, and range over the images that it was measured on."""
    tiles = {"PSNR": (quality.psnr, "{:.1f}", " dB"), "SSIM": (quality.ssim, "{:.3f}", ""),
             "L∞": (quality.linf, "{:.0f}", "")}
    with st.grid(columns=len(tiles), min_column_width=130, key=key):
        for name, (spread, digits, unit) in tiles.items():
            st.metric(name, number(spread.mean, digits) + unit, border=True, help=define(name),
                      delta=spread_text(spread, digits), delta_color="off", delta_arrow="off")
    words = [TEXT["quality"].format(n=quality.n)]
    if 0 < quality.unchanged < quality.n:
        words.append(TEXT["unchanged"].format(count=quality.unchanged, n=quality.n))
    st.caption(" ".join(words))


def number(value: float, digits: str) -> str:
    """A value with its digits; an infinite one as such."""
    return "∞" if math.isinf(value) else digits.format(value)


def spread_text(spread: "Spread", digits: str) -> str:
    """The range in words."""
    return f"{number(spread.low, digits)} to {number(spread.high, digits)}"
