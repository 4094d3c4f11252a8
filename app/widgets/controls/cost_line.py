"""What a run will cost, before it is started."""

import streamlit as st

from app import state
from ngf_core.config import Config


def cost_line(config: Config) -> None:
    """One line: about how long, how much disk and memory, and what the estimate rests on."""
    from ngf_core.execute.cost import estimate

    cost = estimate(config, state.store())
    st.caption(f":material/schedule: About {duration(cost.seconds)}, {megabytes(cost.megabytes)} "
               f"of disk and {gigabytes(cost.memory)} of memory. {cost.basis}")


def duration(seconds: float) -> str:
    """Seconds in a readable unit: 45 s, 3 min, 1.5 h, 12 days."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:,.0f} days"


def megabytes(size: float) -> str:
    """A size on disk with one digit where it is small."""
    return f"{size:.1f} MB" if size < 10 else f"{size:,.0f} MB"


def gigabytes(size: float) -> str:
    """Megabytes of memory as gigabytes, with one digit."""
    return f"{max(size, 100) / 1000:.1f} GB"
