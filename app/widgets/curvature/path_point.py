"""A recorded point of a tuning path, chosen in a box or by a click: step, losses and rates."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from app import state
from app.read.recording import recording_of
from app.theme import style
from app.widgets.controls.address import choose
from app.widgets.race.rate_tiles import interval_text
from ngf_core.errors import NGFError
from ngf_core.runs import Run

Arrays = Mapping[str, np.ndarray]


def path_point(run: Run, arrays: Arrays, paths: Arrays) -> tuple[float, float] | None:
    """What is known of the point that ?point= names ("ngf.30": of NGF, after 30 steps), by default
    the end of the first of `paths`, and a link to the race at that step; returns its place.

    None where the steps of the paths were not recorded.
    """
    steps = {method: [int(step) for step in arrays[f"{method}.path_steps"]] for method in paths
             if f"{method}.path_steps" in arrays}
    if not steps:
        return None
    offered = {f"{method}.{step}": f"{style(method).label}, step {step}"
               for method, own in steps.items() for step in own}
    first, ends = next(iter(steps.items()))
    method, _, step = choose("point", "Point of a path", offered,
                             f"{first}.{ends[-1]}").rpartition(".")
    place = steps[method].index(int(step))
    losses = [f"loss {arrays[f'{method}.along.{kind}'][place]:.3g} on {kind} images"
              for kind in ("clean", "triggered") if f"{method}.along.{kind}" in arrays]
    race = _race(run)
    st.markdown(f"**{offered[f'{method}.{step}']}:** "
                f"{', '.join([*losses, *_rates(race, method, int(step))])}.")
    if race is not None and int(step) in recording_of(race).steps:
        st.page_link("app/views/race.py", label=f"Open the race at step {step}",
                     icon=":material/flag:", query_params={"run": race.id, "step": step})
    x, y = paths[method][place]
    return float(x), float(y)


def choose_point(figure: str) -> None:
    """Choose the point of a path that was clicked in a figure."""
    if (chosen := picked_point(state.remembered(figure))) is not None:
        state.remember("point_choice", chosen)


def picked_point(event: Mapping[str, Any] | None) -> str | None:
    """The point of a path that a selection event names, as "ngf.30"; None where it names another
    mark or none."""
    named = [point["customdata"] for point in (event or {}).get("selection", {}).get("points", ())
             if isinstance(point.get("customdata"), list)]
    return f"{named[0][0]}.{named[0][1]}" if named else None


def _race(run: Run) -> Run | None:
    try:
        source = state.store().get(run.manifest["source"])
    except NGFError:
        return None
    return source if source.kind == "purify" else None


def _rates(race: Run | None, method: str, step: int) -> list[str]:
    """ASR and ACC with their intervals, where the race was evaluated after that step."""
    if race is None or step not in recording_of(race).steps:
        return []
    found = {name: recording_of(race).measured(method, name, step) for name in ("asr", "acc")}
    return [f"{name.upper()} {100 * rate.value:.1f} % ({interval_text(rate)})"
            for name, rate in found.items() if rate is not None]
