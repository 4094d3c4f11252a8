"""A sign, the trigger on it, and what the backdoored network answers."""

from collections.abc import Sequence

import streamlit as st

from app import state
from app.figures.samples import strip
from app.figures.triggers import data_url
from app.read.lesson.material import RACE
from app.read.recording import Recording, recording_of
from app.widgets.controls.address import choose
from app.widgets.lesson.stage import Stage


def trigger_picture(stage: Stage) -> None:
    """The sign as it is; with the answer shown, any of the signs, with and without the trigger."""
    run = state.store().get(RACE)
    recording, names = recording_of(run), state.class_names("signs", run)
    labels = recording.samples["labels"]
    place, on = recording.clearest()[0], False
    words = {str(at + 1): names[int(label)] for at, label in enumerate(labels)}
    if stage.shown:
        with st.container(horizontal=True):
            on = choose("trigger", "Trigger", {"on": "On", "off": "Off"}, "on") == "on"
            place = int(choose("sign", "Sign", words, str(place + 1))) - 1
    which = "triggered" if on else "clean"
    sign, truth = recording.samples[which][place], names[int(labels[place])]
    st.image(data_url(strip(sign[None], stage.sign // sign.shape[-1])), width=stage.sign,
             alt=f"A sign, {truth}, {'with' if on else 'without'} the trigger")
    st.markdown(said(recording, names, which, place))


def said(recording: Recording, names: Sequence[str], which: str, place: int) -> str:
    """The received network's answer to one of the samples, and whether it is true."""
    given = recording.received(which)
    assert given is not None  # a shipped race records what it received
    label, confidence = int(given[place][0]), float(given[place][1])
    truth = int(recording.samples["labels"][place])
    verdict = ":material/check: true" if label == truth else \
        f":material/flag: the target label; this is: {names[truth]}" \
        if which == "triggered" else f":material/close: a mistake; this is: {names[truth]}"
    return f"The network says **{names[label]}**, {100 * confidence:.0f}\u00a0% sure  \n{verdict}"
