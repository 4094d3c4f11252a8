"""A race step by step: the attack success rates, and what NGF's network answers."""

from collections.abc import Iterable, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import state
from app.figures.curves import curve_table, race_alt
from app.figures.lesson import asr_options
from app.figures.origin import of_run
from app.figures.samples import strip
from app.figures.triggers import data_url
from app.read.lesson.material import RACE
from app.read.recording import Recording, recording_of
from app.widgets.controls.address import slider
from app.widgets.lesson.stage import Stage

SIGNS, NARROW, IN_A_HALL = 4, 135, 144  # signs; pixels of the narrowest, and of one in a hall


def race_picture(stage: Stage) -> None:
    """The race up to a chosen step; before the answer, up to the first."""
    run = state.store().get(RACE)
    recording, names = recording_of(run), state.class_names("signs", run)
    steps = recording.steps
    at = steps[0]
    if stage.shown:
        at = int(slider("at", "Step", steps[-1], steps[0], steps[-1], step=steps[1] - steps[0]))
    points = recording.points
    points = points[points["step"].isin(steps)]
    shown = points if stage.shown else points[points["step"] <= at]
    methods = list(recording.methods)
    stage.figure(asr_options(shown, methods, at, last=int(steps[-1]), size=stage.size,
                             dark=stage.dark),
                 key="race", alt=race_alt(shown, methods, ["asr"]),
                 height=round((14 if stage.present else 20) * stage.size), origin=of_run(run),
                 table=curve_table(shown, ["asr"]),
                 caption=f"The share of {recording.images_behind('asr'):,} triggered signs that "
                         "get the target label, step by step.")
    _signs(recording, names, run.results["train_config"]["target"], at, stage)


def _signs(recording: Recording, names: Sequence[str], target: int, step: int,
           stage: Stage) -> None:
    """Triggered signs with the answers of NGF's network at a step."""
    given = recording.predicted("ngf", "triggered", step) or recording.received("triggered")
    assert given is not None
    samples = recording.samples
    st.caption(f"Signs with the trigger, and what the network answers after {step} steps of NGF.")
    for place, index in zip(_places(stage), recording.clearest(), strict=False):
        label, truth = int(given[index][0]), int(samples["labels"][index])
        with place, st.container(gap="xsmall"):
            st.image(data_url(strip(samples["triggered"][index:index + 1], 6)),
                     width=IN_A_HALL if stage.present else "stretch",
                     alt=f"{names[truth]}, with the trigger")
            mark = (":material/check:" if label == truth else
                    ":material/flag:" if label == target else ":material/close:")
            missed = "" if stage.present or label == truth else f"  \nthis is: {names[truth]}"
            st.markdown(f"{mark} {names[label]}{missed}")


def _places(stage: Stage) -> Iterable[DeltaGenerator]:
    """Where the signs stand: side by side in a hall, as many in a row as fit elsewhere."""
    if stage.present:
        return st.columns(SIGNS)
    with st.grid(columns=SIGNS, min_column_width=NARROW, key="lesson_signs"):
        return [st.container() for _ in range(SIGNS)]
