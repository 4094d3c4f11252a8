"""The sample images of a race with each method's answers."""

import streamlit as st

from app import state
from app.read.recording import recording_of
from app.widgets.race.prediction_strip import prediction_strip
from app.widgets.runs.run_name import trained_as
from ngf_core.runs import Run


def race_pictures(run: Run, step: int | None) -> None:
    """Each method's answers to the sample images, at one step or now."""
    recording, model = recording_of(run), trained_as(run, state.store())
    if model is None or not recording.samples:
        st.caption("The training run behind this race is missing, so its sample images "
                   "cannot be named.")
        return
    st.header("What the model sees", anchor=False)
    backdoored = "triggered" in recording.samples
    triggered = backdoored and st.toggle("Trigger", value=True, key="race_trigger")
    prediction_strip(recording, state.class_names(model.dataset, run),
                     methods=recording.methods, triggered=triggered, step=step,
                     key="race_pictures", columns=2)
    st.caption(f"Answers with their confidence "
               f"{'now' if step is None else f'at step {step}'}; a check marks the true label.")
