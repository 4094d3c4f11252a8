"""How visible a trigger is and how often it works, as tiles with their ranges."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from app.text import define, sections
from app.widgets.runs.result_tiles import interval

if TYPE_CHECKING:
    from ngf_core.attacks.visibility import Quality, Spread
    from ngf_core.evaluate.rates import Rate

TEXT = sections("attacks")


def quality_tiles(quality: "Quality", success: "Mapping[str, Rate]", *, key: str) -> None:
    """One tile each for PSNR, SSIM and L-infinity with the range over the measured images, and one
    per model (by name) with the share of these images that it gives the attacker's label."""
    tiles = {"PSNR": (quality.psnr, "{:.1f}", " dB"), "SSIM": (quality.ssim, "{:.3f}", ""),
             "L∞": (quality.linf, "{:.0f}", "")}
    with st.grid(columns=len(tiles) + len(success), min_column_width=135, key=key):
        for name, (spread, digits, unit) in tiles.items():
            st.metric(name, number(spread.mean, digits) + unit, border=True, help=define(name),
                      delta=spread_text(spread, digits), delta_color="off", delta_arrow="off")
        for model, rate in success.items():
            st.metric(f"ASR, {model}", rate.percent(), border=True,
                      help=f"{define('ASR')}\n\n{define('Interval')}\n\n{interval(rate)}.",
                      delta=f"{rate.hits} of {rate.n}", delta_color="off", delta_arrow="off")
    words = [TEXT["quality"].format(n=quality.n)]
    if success:
        words.append(TEXT["success"])
    if quality.unchanged:
        which = "all unchanged" if quality.unchanged == quality.n else "unchanged"
        words.append(TEXT[which].format(count=quality.unchanged, n=quality.n))
    st.caption(" ".join(words))


def number(value: float, digits: str) -> str:
    """A value with its digits; an infinite one as such."""
    return "∞" if math.isinf(value) else digits.format(value)


def spread_text(spread: "Spread", digits: str) -> str:
    """The range in words."""
    return f"{number(spread.low, digits)} to {number(spread.high, digits)}"
