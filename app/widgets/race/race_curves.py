"""The curves of a race on its page: a click into one moves the replay to that step."""

from collections.abc import Callable, Sequence

import streamlit as st

from app import state
from app.figures.origin import of_run
from app.figures.picking import picked_bar, step_at
from app.read.recording import recording_of
from app.text import sections
from app.widgets.race.race_card import loss_card, race_card, sharpness_curves
from app.widgets.race.replay_controls import go_to_step
from ngf_core.config import PurifyConfig
from ngf_core.runs import Run


def race_curves(run: Run, x: str, metrics: Sequence[str], step: int | None, replay: str) -> None:
    """One card for the rates, one for sharpness and one for the loss, as far as `metrics` names
    them, up to a step or to the newest point. x: step or seconds; replay: the key of the replay
    that a click moves."""
    recording, origin = recording_of(run), of_run(run)
    x_max = float(run.config_as(PurifyConfig).steps)
    if x == "seconds":
        x_max = float(recording.points["seconds"].max()) or 1.0

    def clicks(key: str) -> Callable[[], None]:
        return lambda: _clicked(run, key, replay, x, x_max)

    rates = [name for name in metrics if name in recording.metrics]
    if rates:
        race_card(recording, rates, key="race_rates", filename=f"race-{run.id}", x=x, x_max=x_max,
                  step=step, origin=origin, clicks=clicks("race_rates"))
    if "sharpness" in metrics:
        images = recording.images_behind("lambda_max")
        sharpness_curves(recording, key="race_sharpness", filename=f"sharpness-{run.id}", x=x,
                         x_max=x_max, step=step, images=images,
                         origin=origin.on(f"{images:,} clean images of the defender"),
                         clicks=clicks("race_sharpness"))
    if "loss" in metrics:
        clean = run.results.get("clean_images")
        loss_card(recording, key="race_loss", filename=f"loss-{run.id}", x=x, x_max=x_max,
                  step=step, clicks=clicks("race_loss"), origin=origin.on(
                      f"{clean:,} clean images of the defender, in batches" if clean else ""))
    if step is not None and len(recording.steps) > 1:
        st.caption(sections("race")["linked"])


def _clicked(run: Run, chart: str, replay: str, x: str, x_max: float) -> None:
    """Move the replay to where a chart of curves was clicked.

    A second click on the same place takes the selection away and names none: the place is kept.
    """
    bar = picked_bar(state.remembered(chart))
    bar = state.remembered(f"{chart}_bar") if bar is None else bar
    if bar is None:
        return
    state.remember(f"{chart}_bar", bar)
    recording = recording_of(run)
    go_to_step(replay, recording.steps, step_at(recording.points, bar, x=x, x_max=x_max))
