"""What a run will cost, before it is started."""

import streamlit as st

from app import state
from ngf_core.config import Config


def cost_line(config: Config) -> None:
    """One line: about how long, how much disk, and what the estimate rests on."""
    from ngf_core.execute.cost import estimate

    cost = estimate(config, state.store())
    st.caption(f":material/schedule: About {duration(cost.seconds)} and "
               f"{megabytes(cost.megabytes)}. {cost.basis}")


def duration(seconds: float) -> str:
    """Seconds in a readable unit: 45 s, 3 min, 1.5 h."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def megabytes(size: float) -> str:
    """A size on disk with one digit where it is small."""
    return f"{size:.1f} MB" if size < 10 else f"{size:,.0f} MB"
