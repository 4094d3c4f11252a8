"""What the exercises are done on, drawn on the page, and the checks that measure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from app.figures.samples import strip
from app.figures.triggers import data_url, enlargement
from app.read.lesson.exercise import Exercise
from app.read.lesson.material import Picture, layers_left, material, patch
from app.read.lesson.patch import PIXELS, patched_sign
from ngf_core.evaluate.rates import Rate

if TYPE_CHECKING:
    from ngf_core.trained.load import TrainedModels

IMAGES, WIDTH = 100, 130
SIDE = 192  # pixels to which a picture is enlarged, which the page then fits into WIDTH
MEASURED = "pixels_measured"


def shown(exercise: Exercise) -> None:
    """Draw the exercise's table or pictures."""
    found = material(exercise)
    if isinstance(found, pd.DataFrame):
        st.table(found, border="horizontal", hide_index=True, width="content")
    elif found is not None:
        _drawn(found)


def _drawn(pictures: Sequence[Picture]) -> None:
    with st.container(horizontal=True):
        for picture in pictures:
            scale = enlargement(picture.image.shape[-1], SIDE)
            with st.container(width=WIDTH, gap="xsmall"):
                st.image(data_url(strip(picture.image[None], scale)), width="stretch",
                         alt=picture.alt)
                st.markdown(picture.words)


def checked_layer(exercise: Exercise) -> tuple[bool, str] | None:
    """What a defender can measure of each layer, and the score of the one that is chosen."""
    shown(exercise)
    left, best = layers_left(exercise.runs[0])
    chosen = st.selectbox("Layer to retrain", list(left), index=None,
                          key=f"answer_{exercise.number}", width=320)
    if chosen is None:
        return None
    regret = 100 * (left[chosen].value - left[best].value)
    good = regret <= exercise.within
    return good, (
        f"{'A good choice' if good else 'Not a good choice'}: retraining {chosen} leaves an ASR of "
        f"{left[chosen].percent()}, {max(regret, 0):.1f} points more than the best layer"
        f"{f', {best}' if good else ''}.")


def checked_pixels(exercise: Exercise) -> tuple[bool, str] | None:
    """A patch of chosen pixels, its PSNR, and on how many signs it works."""
    kept = st.pills("Pixels, row by row", range(1, PIXELS + 1), selection_mode="multi",
                    default=list(range(1, PIXELS + 1)), key="pixels")
    opacity = st.slider("Opacity, %", 5, 100, 100, 5, key="opacity")
    chosen = (tuple(sorted(kept)), opacity)
    _drawn(patch(*chosen))
    if st.button("Measure", key="measure_pixels", type="primary"):
        state.remember(MEASURED, chosen)
    if state.remembered(MEASURED) != chosen:
        return None
    if not kept:
        return False, "Keep at least one pixel."
    psnr, rate = _pixels(exercise.runs[0], *chosen)
    return psnr > exercise.psnr and 100 * rate.value >= exercise.asr, (
        f"PSNR {psnr:.1f} dB (above {exercise.psnr} is wanted); the trigger works on "
        f"{rate.percent()} of {rate.n} signs (at least {exercise.asr} % is wanted).")


@st.cache_data(max_entries=256, show_spinner="Asking the network")
def _pixels(run: str, kept: tuple[int, ...], opacity: int) -> tuple[float, Rate]:
    """The mean PSNR of a patch of these pixels (from 1, row by row), and on how many signs the
    network of the run obeys it."""
    from ngf_core.attacks.visibility import quality
    from ngf_core.trained.gallery import ask

    trained, clean, patched = _patched(run)
    images = patched_sign(clean, patched, kept, opacity)
    answers = ask(trained.models["before"], images)
    return quality(clean, images).psnr.mean, answers.agreeing(
        np.full(len(images), trained.train.target))


@st.cache_resource(max_entries=2, show_spinner="Loading a network")
def _patched(run: str) -> "tuple[TrainedModels, np.ndarray, np.ndarray]":
    """A run's network, and test signs that its attack would change, without and with its patch."""
    from ngf_core.trained.load import load_trained

    trained = load_trained(run, state.store())
    assert trained.attack is not None  # named for a backdoored network
    test = trained.dataset.test
    signs = test.take(trained.attack.victims(test.y)).x[:IMAGES]
    return trained, signs.numpy(), trained.attack.trigger(signs).numpy()
