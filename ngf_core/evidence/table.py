"""The tables of the benchmark, gathered from the finished runs.

cells   one row per model: the benign ones (under each attack's trigger: the floor), the backdoored
        ones ("before") and one for each entrant.
path    sharpness beside the rates along the tuning, for the entrants that were followed.
"""

import json
from dataclasses import replace
from typing import Any

import pandas as pd

from ngf_core.attacks import ATTACKS
from ngf_core.config import PurifyConfig
from ngf_core.config.command import command_line
from ngf_core.evaluate.rates import RATES, Evaluation, der
from ngf_core.evidence.cells import Cell, finished, weights_of
from ngf_core.evidence.entrants import ENTRANTS, FOLLOWED
from ngf_core.evidence.measures import BEFORE, BENIGN, COUNTS, counts_of
from ngf_core.evidence.sharpness import kept_rows
from ngf_core.runs import Run, RunStore
from ngf_core.runs.files import model_entry

SHARPNESS = ["lambda_max", "lambda_max_error", "trace", "trace_error"]
TUNING = ("seconds", "cpu_seconds", "passes", "tuned")
FOLLOWED_METRICS = (*RATES, "lambda_max", "lambda_error", "fisher_trace", "fisher_trace_error")


def cells_table(wanted: list[Cell], floors: dict[tuple[str, int], dict[str, Any]],
                store: RunStore) -> pd.DataFrame:
    """One row per finished cell of `wanted`, the backdoored model and the floor before them.

    floors: the benign model's rates under an attack's trigger, by attack and seed.
    """
    rows: list[dict[str, Any]] = []
    for cell in wanted:
        run = finished(cell, store)
        if run is None:
            continue
        about = {"dataset": cell.dataset, "arch": cell.arch, "attack": cell.attack,
                 "seed": cell.seed, "run": run.id, "command": command_line(run.config),
                 "code": (run.manifest.get("git") or {}).get("sha", "")[:12],
                 "instructions": run.manifest.get("instructions") or "",
                 "threads": run.manifest["threads"]}
        if cell.entrant:
            rows.append(about | _purified(cell, run, store))
        else:
            rows.append(about | _trained(cell, run, store))
            floor = floors.get((cell.attack, cell.seed))
            if floor:
                benign = store.get(replace(cell, attack="none").run_id)
                rows.append(about | _model(BENIGN, floor) | {
                    "run": "", "command": "", "code": "", "settings": "",
                    "instructions": "", "threads": None,
                    "weights": weights_of(benign, BEFORE), "received": weights_of(run, BEFORE)})
    table = pd.DataFrame(rows, columns=_COLUMNS)
    whole = [*COUNTS, "passes", "tuned", "threads"]
    # Types are said: a column without any value, as where nothing stopped early, tells none.
    return table.astype({name: "Int64" for name in whole} | {"stopped": "str"} | {
        name: "float64" for name in ("der", "seconds", "cpu_seconds", *SHARPNESS)})


def headline(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns `SHARPNESS` of each model, from rows over all its parameters.

    rows: model (under any name), images, measure, value and computation_error, as
    `ngf_core.evidence.sharpness` measures them; those on held-out images count.
    """
    rows = rows[(rows["images"] == "held_out") & rows["measure"].isin(["lambda_max", "trace"])]
    rows = rows.drop_duplicates(["model", "measure"])
    found = pd.concat([rows.assign(column=rows["measure"], figure=rows["value"]),
                       rows.assign(column=rows["measure"] + "_error",
                                   figure=rows["computation_error"])])
    return found.pivot(index="model", columns="column", values="figure").reindex(columns=SHARPNESS)


def path_table(wanted: list[Cell], store: RunStore) -> pd.DataFrame:
    """attack, seed, entrant, step, ACC, ASR, RA, and lambda_max and Tr(F) where measured."""
    parts = []
    for cell in wanted:
        followed = cell.entrant and FOLLOWED.items() <= ENTRANTS[cell.entrant].changes.items()
        run = finished(cell, store) if followed else None
        if run is None:
            continue
        points = run.points()
        wide = points.pivot_table(index="step", columns="metric", values="value")
        parts.append(wide.reindex(columns=FOLLOWED_METRICS).reset_index().assign(
            attack=cell.attack, seed=cell.seed, entrant=cell.entrant,
            weights=weights_of(run, ENTRANTS[cell.entrant].method)))
    columns = ["attack", "seed", "entrant", "step", *FOLLOWED_METRICS, "weights"]
    table = pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)
    return table.rename(columns={"lambda_error": "lambda_max_error"}).reset_index(drop=True)


def _purified(cell: Cell, run: Run, store: RunStore) -> dict[str, Any]:
    entrant, config, results = cell.entrant, run.config, run.results
    assert isinstance(config, PurifyConfig)
    (method,) = config.names
    mine = results[method]
    choice = results.get("choice") or {"passes": 0, "cpu_seconds": 0.0}  # the method's own cost too
    return counts_of(mine) | _sharp(run, method, store) | {
        "entrant": entrant, "method": method, "group": ENTRANTS[entrant].group,
        "layer": results["layer"] if config.layers else "",
        "der": der(*map(Evaluation.from_json, (results[BEFORE], mine))),
        "seconds": mine["seconds"], "cpu_seconds": mine["cpu_seconds"] + choice["cpu_seconds"],
        "passes": mine["steps"] + choice["passes"], "tuned": mine["changed"],
        "stopped": mine["stopped"], "found": json.dumps(mine["found"]),
        "settings": cell.settings(results["layer"]), "received": weights_of(run, BEFORE),
        "weights": weights_of(run, method)}


def _trained(cell: Cell, run: Run, store: RunStore) -> dict[str, Any]:
    name = BEFORE if cell.attack in ATTACKS else BENIGN
    rates = run.results[model_entry("train", BEFORE)]
    return _model(name, rates) | _sharp(run, BEFORE, store) | {
        "settings": cell.settings(), "received": "", "weights": weights_of(run, BEFORE)}


def _model(entrant: str, rates: dict[str, Any]) -> dict[str, Any]:
    return counts_of(rates) | {"entrant": entrant, "method": "", "group": "model", "layer": "",
                            "found": "{}"}


def _sharp(run: Run, model: str, store: RunStore) -> dict[str, Any]:
    rows = pd.DataFrame(kept_rows(store, run.id, model))
    return {} if rows.empty else headline(rows.assign(model="")).loc[""].to_dict()


_COLUMNS = ["dataset", "arch", "attack", "seed", "entrant", "method", "group", "run", "layer",
            *COUNTS, "der", *SHARPNESS,
            *TUNING, "stopped", "found", "command", "code", "instructions", "threads",
            "settings", "received", "weights"]
