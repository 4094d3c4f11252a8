"""The final rates of one model as tiles, each with its interval, its n and its definition."""

from collections.abc import Mapping

import streamlit as st

from app.text import define
from ngf_core.evaluate.rates import RATES, Rate


def result_tiles(rates: Mapping[str, Mapping[str, int] | None], *, key: str) -> None:
    """One tile per measured rate; a rate on no image is shown as undefined."""
    known = {name: Rate.from_json(rates.get(name)) for name in RATES}
    measured = {name: rate for name, rate in known.items() if rate is not None}
    with st.grid(columns=len(measured), min_column_width=150, key=key):
        for name, rate in measured.items():
            st.metric(name.upper(), rate.percent(), border=True, help=define(name.upper()),
                      delta=interval(rate), delta_color="off", delta_arrow="off")


def interval(rate: Rate) -> str:
    """Wilson's 95 % interval with n."""
    if not rate.n:
        return "n = 0"
    low, high = rate.interval
    return f"{100 * low:.1f} to {100 * high:.1f} %, n = {rate.n:,}"
