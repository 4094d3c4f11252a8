"""The sharpness claim: are backdoored models sharper, and does purification flatten them?

Its models and readings: what `ngf_core.evidence.sharpness` measures of the benign, the backdoored
and four purified models per attack and seed, over all parameters and, but for NGF on a layer chosen
by rule, over the layer that NGF tuned.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from torch import nn

from ngf_core.attacks import ATTACKS
from ngf_core.evaluate.rates import Rate
from ngf_core.evidence.cells import Cell, finished, weights_of
from ngf_core.evidence.entrants import BY_RULE, CLAIMED, ENTRANTS
from ngf_core.evidence.measures import BEFORE
from ngf_core.evidence.sharpness import Sets, kept_file, kept_rows, measure_sharpness_of
from ngf_core.runs import Run, RunStore
from ngf_core.runs.files import model_entry

LAYER_OF = "ngf"  # all models of an attack and seed are measured in the layer it tuned
COLUMNS = ("attack", "seed", "model", "images", "parameters", "measure", "value", "error",
           "computation_error", "n", "layer", "asr", "acc", "run", "weights")


def measure_claim(models: Mapping[str, nn.Module], layer: str, sets: Sets, seed: int = 0
                  ) -> list[dict[str, Any]]:
    """Every measure of every model, one row each: model, images, parameters ("all" or "layer"), and
    what `measure_sharpness_of` returns.

    layer: the tuned one, or several, as `tuned_layers` reads them. sets: name -> images x
    (n, C, H, W), float in [0, 1], and labels y (n,). seed: of Lanczos's start and of the probes,
    the same for all models.
    Raises ConfigError where a model has no such layer.
    """
    return [{"model": name, "parameters": "layer" if where else "all", **row}
            for name, model in models.items() for where in ("", layer)
            for row in measure_sharpness_of(model, where, sets, seed)]


def claim_readings(wanted: Sequence[Cell], store: RunStore) -> list[tuple[str, str, str]]:
    """Run, model and layer of each call of `sharpness.measured` that is still to be made."""
    readings = dict.fromkeys((run.id, model, layer)
                             for _, _, run, model, tuned in _models(wanted, store)
                             for layer in _where(tuned).values())
    return [reading for reading in readings if not kept_file(store, *reading).exists()]


def claim_table(wanted: Sequence[Cell], floors: Mapping[tuple[str, int], dict[str, Any]],
                store: RunStore) -> pd.DataFrame:
    """What has been measured of the cells in `wanted`, one row per measure, in `COLUMNS`.

    floors: the benign model's rates under an attack's trigger, by attack and seed.
    """
    rows = []
    for cell, name, run, model, tuned in _models(wanted, store):
        if name == "benign":
            rates = floors.get((cell.attack, cell.seed)) or {}
        else:
            rates = run.results[model_entry(run.manifest["kind"], model)]
        about = {"attack": cell.attack, "seed": cell.seed, "model": name, "layer": tuned,
                 "run": run.id, "asr": _share(rates.get("asr")), "acc": _share(rates.get("acc")),
                 "weights": weights_of(run, model)}
        for parameters, layer in _where(tuned).items():
            rows += [about | {"parameters": parameters} | row
                     for row in kept_rows(store, run.id, model, layer)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _models(wanted: Sequence[Cell], store: RunStore) -> list[tuple[Cell, str, Run, str, str]]:
    """(attack's cell, name in the claim, run, model in it, tuned layer) of every finished run.

    The layer is the one NGF tuned on that attack's model, for all models it is compared with; ""
    where NGF has not purified that model yet, and of NGF on a layer chosen by rule, which may have
    tuned another.
    """
    made = {(cell.attack, cell.seed, cell.entrant): run for cell in wanted
            if cell.entrant in ("", *CLAIMED) and (run := finished(cell, store))}
    found = []
    for cell in wanted:
        tuned = made.get((cell.attack, cell.seed, LAYER_OF))
        if cell.entrant or (cell.attack, cell.seed, "") not in made or cell.attack not in ATTACKS:
            continue  # without a backdoored model there is nothing to compare the benign one with
        layer = tuned.results["layer"] if tuned is not None else ""
        for name, run, model in (("benign", made.get(("none", cell.seed, "")), BEFORE),
                                 ("backdoored", made.get((cell.attack, cell.seed, "")), BEFORE),
                                 *((entrant, made.get((cell.attack, cell.seed, entrant)),
                                    ENTRANTS[entrant].method) for entrant in CLAIMED)):
            if run is not None:
                found.append((cell, name, run, model, "" if name == BY_RULE else layer))
    return found


def _where(tuned: str) -> dict[str, str]:
    """Name in the table -> layer as `measure_sharpness_of` takes it; "all" alone where it is "".
    """
    return {"all": ""} | ({"layer": tuned} if tuned else {})


def _share(counts: Mapping[str, int] | None) -> float:
    rate = Rate.from_json(counts)
    return rate.value if rate else math.nan
