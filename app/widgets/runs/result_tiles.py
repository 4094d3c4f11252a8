"""The final rates of one model as tiles, each with its interval, its n and its definition."""

from collections.abc import Mapping

import streamlit as st

from app.text import define
from ngf_core.evaluate.rates import wilson

RATES = ("acc", "asr", "ra")


def result_tiles(rates: Mapping[str, Mapping[str, int] | None], *, key: str) -> None:
    """One tile a rate that was measured; a rate on no image is said to be undefined."""
    measured = {name: rates[name] for name in RATES if rates.get(name) is not None}
    with st.grid(columns=len(measured), min_column_width=150, key=key):
        for name, rate in measured.items():
            st.metric(name.upper(), percent(rate), border=True, help=define(name.upper()),
                      delta=interval(rate), delta_color="off", delta_arrow="off")


def percent(rate: Mapping[str, int]) -> str:
    """hits / n in percent."""
    return f"{100 * rate['hits'] / rate['n']:.1f} %" if rate["n"] else "undefined"


def interval(rate: Mapping[str, int]) -> str:
    """Wilson's 95 % interval with n."""
    if not rate["n"]:
        return "n = 0"
    low, high = wilson(rate["hits"], rate["n"])
    return f"{100 * low:.1f} to {100 * high:.1f} %, n = {rate['n']:,}"
