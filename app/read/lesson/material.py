"""What questions are asked about: tables and pictures of shipped runs, on the page and on paper."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from app import state
from app.read.lesson.exercise import Exercise
from app.read.lesson.facts import zoo
from app.read.lesson.patch import PIXELS, patched_sign
from app.read.lesson.rescaled import rescaled
from app.read.recording import recording_of
from app.text import define
from app.theme import style
from ngf_core.attacks import ATTACKS
from ngf_core.evaluate.rates import Rate

RACE = "signs-badnets-s0-race"
CORNER = 6  # pixels of a sign's corner that is shown enlarged


@dataclass(frozen=True)
class Picture:
    """An image, uint8 (C, H, W), the words below it, and what it shows for those who cannot see it.
    """

    image: np.ndarray
    words: str
    alt: str


Material: TypeAlias = pd.DataFrame | Sequence[Picture]


def material(exercise: Exercise) -> Material | None:
    """The table or the pictures of an exercise; None where it needs none."""
    if not exercise.picture:
        return None
    found = MATERIAL[exercise.picture](exercise)
    return found.replace(" %", "\u00a0%", regex=True) if isinstance(found, pd.DataFrame) else found


def layers_left(run: str) -> tuple[dict[str, Rate], str]:
    """The ASR that NGF leaves when it retrains each layer alone, and the layer of the lowest."""
    results = state.store().get(run).results
    return {entry["layer"]: Rate(**entry["asr"]) for entry in results["map"]
            if entry["method"] == "ngf"}, results["oracle"]["layer"]


def patch(kept: Sequence[int], opacity: int) -> Sequence[Picture]:
    """A sign with these pixels (from 1, row by row) of the patch, as opaque as in percent, and its
    corner."""
    samples = recording_of(state.store().get(RACE)).samples
    sign = patched_sign(samples["clean"][-1], samples["triggered"][-1], kept, opacity)
    corner = sign[..., -CORNER:, -CORNER:]
    return [Picture(image, words, words) for image, words in (
        (sign, "A sign with this patch"), (corner, "Its lower right corner, enlarged"))]


def methods_compared(run: str, models: Mapping[str, str]) -> pd.DataFrame:
    """The rates of a race's models, given with the words for each."""
    results = state.store().get(run).results
    return pd.DataFrame([{"network": words} | _rates_of(results[model])
                         for model, words in models.items()])


def _answers(exercise: Exercise) -> Sequence[Picture]:
    """Triggered pictures with the received network's answers."""
    run = state.store().get(exercise.runs[0])
    recording, names = recording_of(run), state.class_names("signs", run)
    given = recording.received("triggered")
    assert given is not None  # a shipped race records what it received
    samples = recording.samples
    truth = [names[int(label)] for label in samples["labels"]]
    return [Picture(sign, f"{true} → **{names[int(label)]}**", f"{true}, with the trigger")
            for sign, true, (label, _) in zip(samples["triggered"], truth, given, strict=True)]


def _rates(exercise: Exercise) -> pd.DataFrame:
    tables = []
    for name in exercise.runs:
        table = methods_compared(name, {"before": "as received", "ngf": "after NGF"})
        attack = state.store().get(name).results["train_config"]["attack"]
        table.insert(0, "attack", ATTACKS[attack].title)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def all_attacks(_: object = None) -> pd.DataFrame:
    """What NGF and SGD leave on every attack, and what each attack does."""
    left = zoo().pivot(index="attack", columns="method", values="asr")
    return pd.DataFrame({"attack": [ATTACKS[name].title for name in left.index]} | {
        f"ASR after {style(name).label}": [f"{100 * value:.1f} %" for value in left[name]]
        for name in ("ngf", "sgd")} | {
        "the trigger": [define(ATTACKS[name].title).partition(".")[0] for name in left.index]})


def _faked(_: Exercise) -> pd.DataFrame:
    """Two trained networks and one that was only written differently, beside the received one."""
    table = {row["factor"]: row for row in rescaled()["rows"]}
    spectrum = state.store().get("signs-badnets-s0-spectrum").results
    race = state.store().get(RACE).results

    def row(network: str, of: Mapping[str, float], method: str) -> dict[str, str]:
        return {"network": network, "λ_max": f"{of['lambda_max']:.0f}",
                "adaptive λ_max": f"{of['adaptive_lambda_max']:.2f}",
                **_rates_of(race[method], "asr", "acc")}

    def trained(network: str, method: str) -> dict[str, str]:
        sharpness = spectrum[method]["sharpness"]
        return row(network, {name: value["value"] for name, value in sharpness.items()
                             if name in ("lambda_max", "adaptive_lambda_max")}, method)

    return pd.DataFrame([row("As received", table[0.125], "before"),
                         trained("Network A", "finetune"),
                         row("Network B", table[1.0], "before"), trained("Network C", "sgd")])


def _layers(exercise: Exercise) -> pd.DataFrame:
    """What a defender can measure of each layer."""
    return pd.DataFrame(
        [{"layer": look["layer"],
          "change of the answers": f"{look['probed']['augmented']['travel']:.2f}",
          "ACC after it": f"{100 * look['probed']['clean']['accuracy']:.0f} %",
          "weights": f"{look['parameters']:,}"}
         for look in state.store().get(exercise.runs[0]).results["looks"]])


def _rates_of(evaluation: Mapping[str, Mapping], *names: str) -> dict[str, str]:
    return {f"{name.upper()}, %": f"{100 * Rate(**evaluation[name]).value:.1f}"
            for name in names or ("asr", "ra", "acc")}


MATERIAL: Mapping[str, Callable[[Exercise], Material]] = {
    "answers": _answers, "rates": _rates, "all": all_attacks, "faked": _faked, "layers": _layers,
    "pixels": lambda _: patch(range(1, PIXELS + 1), 100)}
