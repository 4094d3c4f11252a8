"""What every measured race left of its backdoor, and how sharp it left the model."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from app import state
from ngf_core.config import PurifyConfig, SpectrumConfig
from ngf_core.evaluate.rates import Evaluation
from ngf_core.evidence.rank import Estimate, estimate
from ngf_core.runs import Run
from ngf_core.runs.attack_check import aim_in
from ngf_core.runs.lineage import training_of

COLUMNS = ["attack", "seed", "method", "asr", "asr_before", "images", "acc", "acc_before",
           "lambda_max", "lambda_max_before", "ratio", "weak", "collapsed", "race", "spectrum"]


def all_models(races: Iterable[Run]) -> pd.DataFrame:
    """One row per finished race on a backdoored model and method, in the order of `races`, which
    are of one data set.

    asr, acc: after the method, of 1; images: behind asr. lambda_max: of the Hessian on held-out
    images, where a spectrum run of the race has it; ratio: after over before, NaN where one is
    missing or not positive. weak: as received, the attack is below its aim, so that there was
    little to remove. collapsed: ACC fell below half of what it was, so that the sharpness of what
    is left means nothing.
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
        sharpness = _sharpness(spectra.get(race.id))
        for method in race.config_as(PurifyConfig).names:
            after = Evaluation.from_json(race.results[method])
            if after.asr is None:
                continue
            values = sharpness.get("before", np.nan), sharpness.get(method, np.nan)
            rows.append([made.attack, made.seed, method, after.asr.value, before.asr.value,
                         after.asr.n, after.acc.value, before.acc.value, values[1], values[0],
                         values[1] / values[0] if min(values) > 0 else np.nan,
                         before.asr.value < aim_in(race.results),
                         after.acc.value < before.acc.value / 2, race.id,
                         spectra[race.id].id if race.id in spectra else ""])
    return pd.DataFrame(rows, columns=COLUMNS)


def _sharpness(spectrum: Run | None) -> dict[str, float]:
    """The largest eigenvalue by model; empty without a run."""
    if spectrum is None:
        return {}
    arrays = state.arrays(spectrum, "spectrum")
    return {str(name): float(np.max(arrays[f"{name}.eigenvalues"])) for name in arrays["models"]}


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
