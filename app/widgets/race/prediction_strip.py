"""Sample images with each model's answer and its confidence."""

from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from app.figures.samples import png, strip
from app.read.recording import Recording
from app.theme import style

SCALE, WIDTH = 5, 160


def prediction_strip(recording: Recording, names: Sequence[str], *, methods: Sequence[str],
                     triggered: bool, step: int | None = None, count: int = 4,
                     columns: int = 4, key: str) -> None:
    """Draw `count` samples with the answers of the received model and of each method.

    The samples are the first ones that the received model gets right without the trigger; a
    check or a cross beside each answer marks whether it is the true label.
    """
    images = "triggered" if triggered and "triggered" in recording.samples else "clean"
    if "clean" not in recording.samples:
        st.caption("This run recorded no sample images.")
        return
    answers = {"As received": recording.received(images)}
    answers |= {style(m).label: recording.predicted(m, images, step) for m in methods}
    with st.grid(columns=columns, min_column_width=130, key=key):
        for index in recording.first_right(count):
            with st.container(gap="xsmall"):
                _sample(recording.samples, images, index, names, answers)


def _sample(samples: Mapping[str, np.ndarray], images: str, index: int, names: Sequence[str],
            answers: Mapping[str, list | None]) -> None:
    truth = int(samples["labels"][index])
    picture = strip(samples[images][index:index + 1], scale=SCALE)
    st.image(png(picture), width=WIDTH,
             alt=f"{names[truth]}, {'with' if images == 'triggered' else 'without'} the trigger")
    st.markdown(f"**{names[truth]}**")
    lines = [f"{who}: {_answer(given[index], truth, names)}"
             for who, given in answers.items() if given]
    st.caption("  \n".join(lines))


def _answer(given: Sequence[float], truth: int, names: Sequence[str]) -> str:
    label, confidence = int(given[0]), float(given[1])
    mark = ":material/check:" if label == truth else ":material/close:"
    return f"{mark} {names[label]}, {100 * confidence:.0f} %"
