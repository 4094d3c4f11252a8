"""What the exercises are done on: tables and pictures of shipped runs, and checks that measure."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from app import state
from app.figures.samples import strip
from app.figures.triggers import data_url
from app.read.lesson.exercise import Exercise
from app.read.lesson.facts import zoo
from app.read.lesson.rescaled import rescaled
from app.read.recording import recording_of
from app.theme import style
from app.widgets.runs.run_name import attack_name
from ngf_core.evaluate.rates import Rate

if TYPE_CHECKING:
    from ngf_core.trained.load import TrainedModels

PIXELS, IMAGES = 9, 100
SHOWN = "signs-badnets-s0-race"  # whose signs show a patch
MEASURED = "pixels_measured"


def _answers(exercise: Exercise) -> None:
    """Triggered pictures with the received network's answers."""
    run = state.store().get(exercise.runs[0])
    recording, names = recording_of(run), state.class_names("signs", run)
    given = recording.received("triggered")
    assert given is not None  # a shipped race records what it received
    samples = recording.samples
    with st.container(horizontal=True):
        for at, sign in enumerate(samples["triggered"]):
            truth, said = names[int(samples["labels"][at])], names[int(given[at][0])]
            with st.container(width=120, gap="xsmall"):
                st.image(data_url(strip(sign[None], 4)), width="stretch",
                         alt=f"{truth}, with the trigger")
                st.markdown(f"{truth} → **{said}**")


def _rates(exercise: Exercise) -> None:
    rows = []
    for name in exercise.runs:
        results = state.store().get(name).results
        for model, label in (("before", "as received"), ("ngf", "after NGF")):
            rates = {what: Rate(**results[model][what]) for what in ("asr", "ra", "acc")}
            rows.append({"attack": attack_name(results["train_config"]["attack"]),
                         "network": label} | {what.upper(): rate.percent()
                                              for what, rate in rates.items()})
    st.dataframe(pd.DataFrame(rows), hide_index=True, key=f"data_{exercise.number}")


def _all(exercise: Exercise) -> None:
    table = zoo().pivot(index="attack", columns="method", values="asr")
    shown = pd.DataFrame({"attack": [attack_name(name) for name in table.index]} | {
        f"ASR after {style(name).label}": [f"{100 * value:.1f} %" for value in table[name]]
        for name in ("ngf", "sgd")})
    st.dataframe(shown, hide_index=True, height="content", key=f"data_{exercise.number}")


def _faked(exercise: Exercise) -> None:
    """Two trained networks and one that was only written differently, beside the received one."""
    table = {row["factor"]: row for row in rescaled()["rows"]}
    spectrum = state.store().get("signs-badnets-s0-spectrum").results
    race = state.store().get("signs-badnets-s0-race").results

    def trained(method: str) -> list[str]:
        sharpness = spectrum[method]["sharpness"]
        return [f"{sharpness['lambda_max']['value']:.0f}",
                f"{sharpness['adaptive_lambda_max']['value']:.2f}",
                Rate(**race[method]["asr"]).percent(), Rate(**race[method]["acc"]).percent()]

    def written(factor: float) -> list[str]:
        return [f"{table[factor]['lambda_max']:.0f}", f"{table[factor]['adaptive_lambda_max']:.2f}",
                *trained("before")[2:]]

    rows = {"As received": written(0.125), "Network A": trained("finetune"),
            "Network B": written(1.0), "Network C": trained("sgd")}
    st.dataframe(pd.DataFrame([[name, *row] for name, row in rows.items()],
                              columns=["network", "λ_max", "adaptive λ_max", "ASR", "ACC"]),
                 hide_index=True, key=f"data_{exercise.number}")


DATA: Mapping[str, Callable[[Exercise], None]] = {
    "answers": _answers, "rates": _rates, "all": _all, "faked": _faked}


def checked_layer(exercise: Exercise) -> tuple[bool, str] | None:
    """What a defender can measure of each layer, and the score of the one that is chosen."""
    results = state.store().get(exercise.runs[0]).results
    rows = [{"layer": look["layer"],
             "change of the answers": f"{look['probed']['augmented']['travel']:.2f}",
             "ACC after retraining it": f"{100 * look['probed']['clean']['accuracy']:.0f} %",
             "weights": f"{look['parameters']:,}"}
            for look in results["looks"]]
    st.dataframe(pd.DataFrame(rows), hide_index=True, height="content",
                 key=f"data_{exercise.number}")
    chosen = st.selectbox("Layer to retrain", [row["layer"] for row in rows], index=None,
                          key=f"answer_{exercise.number}", width=320)
    if chosen is None:
        return None
    asr = {entry["layer"]: Rate(**entry["asr"]) for entry in results["map"]
           if entry["method"] == "ngf"}
    best = results["oracle"]["layer"]
    regret = 100 * (asr[chosen].value - asr[best].value)
    return regret <= exercise.within, (
        f"Retraining {chosen} leaves an ASR of {asr[chosen].percent()}, the best layer, {best}, "
        f"{asr[best].percent()}: {max(regret, 0):.1f} points more.")


def checked_pixels(exercise: Exercise) -> tuple[bool, str] | None:
    """A patch of chosen pixels, its PSNR, and on how many signs it works."""
    kept = st.pills("Pixels, row by row", range(1, PIXELS + 1), selection_mode="multi",
                    default=list(range(1, PIXELS + 1)), key="pixels")
    opacity = st.slider("Opacity, %", 5, 100, 100, 5, key="opacity")
    chosen = (tuple(sorted(kept)), opacity)
    samples = recording_of(state.store().get(SHOWN)).samples
    sign = _stamped(samples["clean"][-2:-1], samples["triggered"][-2:-1], *chosen)
    with st.container(horizontal=True):
        for image, words in ((sign, "A sign with this patch"),
                             (sign[..., -6:, -6:], "Its lower right corner, enlarged")):
            with st.container(width=140, gap="xsmall"):
                st.image(data_url(strip(image, 192 // image.shape[-1])), width="stretch",
                         alt=words)
                st.caption(words)
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
    images = _stamped(clean, patched, kept, opacity)
    answers = ask(trained.models["before"], images)
    return quality(clean, images).psnr.mean, answers.agreeing(
        np.full(len(images), trained.train.target))


def _stamped(clean: np.ndarray, patched: np.ndarray, kept: tuple[int, ...],
             opacity: int) -> np.ndarray:
    """The images with these pixels (from 1, row by row) of their patch, as opaque as in percent."""
    share = np.zeros(PIXELS)
    share[np.array(kept, int) - 1] = opacity / 100
    stamped = clean.astype(float)
    corner = (..., slice(-3, None), slice(-3, None))
    stamped[corner] += share.reshape(3, 3) * (patched[corner].astype(float) - stamped[corner])
    return stamped.round().astype(np.uint8)


@st.cache_resource(max_entries=2, show_spinner="Loading a network")
def _patched(run: str) -> "tuple[TrainedModels, np.ndarray, np.ndarray]":
    """A run's network, and test signs that its attack would change, without and with its patch."""
    from ngf_core.trained.load import load_trained

    trained = load_trained(run, state.store())
    assert trained.attack is not None  # named for a backdoored network
    test = trained.dataset.test
    signs = test.take(trained.attack.victims(test.y)).x[:IMAGES]
    return trained, signs.numpy(), trained.attack.trigger(signs).numpy()
