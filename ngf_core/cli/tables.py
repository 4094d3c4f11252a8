"""Runs and results as aligned text, for the command line."""

import json
from typing import Any

from ngf_core.evaluate.rates import RATES, UNDEFINED, Rate, is_rate
from ngf_core.runs import Run
from ngf_core.text_table import aligned

# What other commands need from the results and people do not.
_INTERNAL = ("train_config", "came_as")
_HEADS = {"acc": "ACC", "asr": "ASR", "ra": "RA", "lambda_max": "λ_max", "trace_error": "± trace"}


def results_of(run: Run) -> str:
    """The results of a finished run, in the form that suits its kind."""
    if run.kind == "audit":
        from ngf_core.evidence.audit_report import text

        return text([run.results])
    return results_table(run.results)


def results_table(results: dict[str, Any]) -> str:
    """One row per model, one column per number; then the sharpness measures that were taken, as
    value ± error; below it what holds for the whole run.

    How the model of a purification was trained is left out: its own run states it, and the second
    opinion on a spectrum, which JSON has, and so are tables in tables. Rates are shown with
    Wilson's 95 % interval and n.
    """
    models = {name: entry for name, entry in results.items() if _is_row(entry)}
    columns = list(dict.fromkeys(key for entry in models.values() for key in entry
                                 if key not in ("pyhessian", "sharpness")))
    rows = [["", *(_HEADS.get(column, column) for column in columns)]]
    rows += [[name, *(_cell(entry[column]) if column in entry else "" for column in columns)]
             for name, entry in models.items()]
    lines = [aligned(rows)] if models else []
    lines += _sharpness_table(models)
    lines += [f"{name}: {_told(value)}" for name, value in results.items()
              if name not in models and name not in _INTERNAL]
    return "\n".join(lines)


def _sharpness_table(models: dict[str, Any]) -> list[str]:
    measured = {name: entry["sharpness"] for name, entry in models.items()
                if entry.get("sharpness")}
    titles = {key: told["title"] for of in measured.values() for key, told in of.items()}
    rows = [["sharpness", *titles.values()]]
    rows += [[name, *(_plus_minus(of[key]) if key in of else "" for key in titles)]
             for name, of in measured.items()]
    return ["", aligned(rows), ""] if measured else []


def _plus_minus(told: dict[str, Any]) -> str:
    error = told.get("error")
    return _cell(told.get("value")) + ("" if error is None else f" ± {error:.2g}")


def _is_row(entry: Any) -> bool:
    return isinstance(entry, dict) and not _HEADS.keys().isdisjoint(entry)


def _cell(value: Any) -> str:
    if value in (None, {}, []):
        return "-"
    if is_rate(value):
        rate = Rate.from_json(value)
        if rate is None or rate.n == 0:
            return f"{UNDEFINED} (n=0)"
        low, high = (100 * end for end in rate.interval)
        return f"{rate.percent()} [{low:.1f}, {high:.1f}] n={rate.n}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def _told(value: Any) -> str:
    """What holds for the whole run: a value, values by name, or how many entries JSON has."""
    if is_rate(value) or not value or not isinstance(value, dict | list):
        return _cell(value)
    inner = list(value.values()) if isinstance(value, dict) else value
    if any(isinstance(part, dict | list) for part in inner):
        entries = "entry" if len(inner) == 1 else "entries"
        return f"{len(inner)} {entries}, which --json shows"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_cell(part)}" for name, part in value.items())
    return ", ".join(map(_cell, value))


def runs_table(runs: list[Run]) -> str:
    """One row per run: id, state, and its rates or its message."""
    if not runs:
        return ("There are no runs here yet. "
                "Start with `python -m ngf_core train --dataset signs --attack badnets`.")
    return aligned([["id", "state", "result"]] + [_run_row(run) for run in runs])


def _run_row(run: Run) -> list[str]:
    state, message = run.status()
    return [run.id + (" (shipped)" if run.shipped else ""), state, message or _summary(run)]


def _summary(run: Run) -> str:
    parts = []
    for name, entry in run.results.items():
        if not isinstance(entry, dict):
            continue
        rates = {name: Rate.from_json(entry.get(name)) for name in RATES}
        numbers = [f"{_HEADS[name]} {100 * rate.value:.1f}"
                   for name, rate in rates.items() if rate and rate.n]
        if "lambda_max" in entry:
            numbers.append(f"λ_max {entry['lambda_max']:.4g}")
        if numbers:
            parts.append(f"{name}: {', '.join(numbers)}")
    return "; ".join(parts)


def described(run: Run) -> dict[str, Any]:
    """The manifest with the current state."""
    state, message = run.status()
    return run.manifest | {"state": state, "message": message, "results": run.results}


def detailed(run: Run) -> dict[str, Any]:
    """`described`, with the eigenvalues of a spectrum and their residuals, which its arrays hold.

    Raises RunError where these are damaged.
    """
    told = described(run)
    if run.kind != "spectrum" or not run.has("spectrum"):
        return told
    arrays, results = run.arrays("spectrum"), dict(told["results"])
    for name in arrays["models"].tolist():
        results[name] = results.get(name, {}) | {
            part: arrays[f"{name}.{part}"].tolist()
            for part in ("eigenvalues", "residuals", "lowest", "lowest_residuals")}
    return told | {"results": results}


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=1))
