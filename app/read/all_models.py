"""What every measured race left of its backdoor, and how sharp it left the model."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from app import state
from ngf_core.compare.readings import classes_of
from ngf_core.config import PurifyConfig, SpectrumConfig
from ngf_core.evaluate.rates import Evaluation
from ngf_core.evidence.rank import Estimate, estimate
from ngf_core.runs import Run
from ngf_core.runs.attack_check import aim_in
from ngf_core.runs.lineage import training_of

COLUMNS = ["attack", "seed", "method", "asr", "asr_before", "images", "acc", "acc_before",
           "lambda_max", "lambda_max_error", "lambda_max_before", "lambda_max_before_error",
           "ratio", "images_of_lambda_max", "weak", "collapsed", "race", "spectrum"]


def all_models(races: Iterable[Run]) -> pd.DataFrame:
    """One row per finished race on a backdoored model and method, in the order of `races`, which
    are of one data set.

    asr, acc: after the method, of 1; images: behind asr. lambda_max: of the Hessian on so many
    held-out images, where a spectrum run of the race has it, with its standard error over images
    (NaN where it was not measured); ratio: after over before, NaN where one is
    missing or not positive. weak: as received, the attack is below its aim, so that there was
    little to remove. collapsed: ACC is at chance, so that the sharpness of what is left
    means nothing.
    """
    store = state.store()
    spectra = {run.manifest["source"]: run for run in store.list("spectrum")
               if run.state == "done" and run.config_as(SpectrumConfig).operator == "hessian"}
    rows = []
    for race in races:
        before = Evaluation.from_json(race.results["before"])
        if before.asr is None or not before.asr.n:
            continue
        made = training_of(race, store)
        spectrum, classes = spectra.get(race.id), classes_of(race, store)
        sharpness = _sharpness(spectrum)
        drawn = spectrum.config_as(SpectrumConfig).samples if spectrum else 0
        for method in race.config_as(PurifyConfig).names:
            after = Evaluation.from_json(race.results[method])
            if after.asr is None:
                continue
            (received, of_it), (value, error) = (sharpness.get(name, (np.nan, np.nan))
                                                 for name in ("before", method))
            rows.append([made.attack, made.seed, method, after.asr.value, before.asr.value,
                         after.asr.n, after.acc.value, before.acc.value, value, error, received,
                         of_it, value / received if min(value, received) > 0 else np.nan, drawn,
                         before.asr.value < aim_in(race.results),
                         after.acc.at_chance(classes), race.id,
                         spectrum.id if spectrum else ""])
    return pd.DataFrame(rows, columns=COLUMNS)


def _sharpness(spectrum: Run | None) -> dict[str, tuple[float, float]]:
    """The largest eigenvalue and its standard error over images, by model; empty without a run."""
    if spectrum is None:
        return {}
    arrays, found = state.arrays(spectrum, "spectrum"), {}
    for name in map(str, arrays["models"]):
        measured = spectrum.results.get(name, {}).get("sharpness", {}).get("lambda_max", {})
        found[name] = (float(np.max(arrays[f"{name}.eigenvalues"])),
                       float(measured.get("sampling_error") or np.nan))
    return found


@dataclass(frozen=True)
class Left:
    """What a method leaves over all models.

    asr: the mean ASR (of 1). ratio: the mean logarithm of λ_max after over before. collapsed: the
    attacks whose model it destroyed, which are left out of `ratio`.
    """

    asr: Estimate
    ratio: Estimate
    collapsed: tuple[str, ...]


def left(table: pd.DataFrame, method: str) -> Left:
    """What `method` leaves over the models of `all_models`.

    The intervals cover other attacks, and other seeds where there are several: see
    `ngf_core.evidence.rank`.
    """
    rows = table[table["method"] == method].set_index(["attack", "seed"])
    standing = rows[~rows["collapsed"].astype(bool)]
    return Left(estimate(rows["asr"], (0.0, 1.0)), estimate(np.log(standing["ratio"])),
                tuple(sorted({str(attack) for attack, _ in rows[rows["collapsed"]].index})))
