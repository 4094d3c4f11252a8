"""Tiles with a race's rates: value, change since the received model, interval and n."""

from collections.abc import Sequence

import streamlit as st

from app.figures.curves import METRICS
from app.read.recording import Measured, Recording
from app.text import define
from app.theme import style
from ngf_core.evaluate.rates import wilson

# Tiles that stand in one row; more are a table, a row per rate and a column per method.
WIDE = 4


def rate_tiles(recording: Recording, methods: Sequence[str], *, step: int | None = None,
               metrics: Sequence[str] = ("asr", "acc"), key: str) -> None:
    """Draw one tile per method and metric, at a step or at the newest point."""
    before = recording.before()
    shown = [m for m in metrics if m in recording.metrics]
    tiles = [(method, metric) for method in methods for metric in shown]
    columns = len(tiles)
    if len(tiles) > WIDE:
        tiles = [(method, metric) for metric in shown for method in methods]
        columns = len(methods)
    with st.grid(columns=max(1, columns), min_column_width=150, key=key):
        for method, metric in tiles:
            _tile(f"{style(method).label} {METRICS[metric].label}", metric,
                  recording.measured(method, metric, step), before.get(metric))


def _tile(label: str, metric: str, measured: Measured | None, before: float | None) -> None:
    word = METRICS[metric].label
    with st.container(border=True, height="stretch", gap="xsmall"):
        if measured is None:
            st.metric(label, "–", help=define(word))
            st.caption("not measured yet")
            return
        change = 0.0 if before is None else 100 * (measured.value - before)
        moved = abs(change) >= 0.05
        st.metric(label, f"{100 * measured.value:.1f} %", delta_color="off",
                  delta=f"{change:+.1f} points" if moved else "as received",
                  delta_arrow="auto" if moved else "off",
                  help=f"{define(word)}\n\nThe change is against the model as received. "
                       f"The interval: {define('Interval')}")
        st.caption(interval_text(measured))


def interval_text(measured: Measured) -> str:
    """The Wilson interval and n of a rate, e.g. "1.2 to 3.4 %, n = 270"."""
    if not measured.n:
        return "n = 0: undefined" if measured.n == 0 else "n not recorded"
    low, high = wilson(round(measured.value * measured.n), measured.n)
    return f"{100 * low:.1f} to {100 * high:.1f} %, n = {measured.n:,}"
