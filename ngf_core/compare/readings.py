"""The numbers of a run by model: its rates, and the sharpness of its models with its errors.

The sharpness of a run's models is that of the run itself where it is a spectrum, else that of the
newest finished spectrum of it. λ_max and trace are the spectrum's own, with the error over images
that its sharpness measures hold.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ngf_core.data import DATASETS
from ngf_core.errors import NGFError
from ngf_core.evaluate.rates import RATES, Rate
from ngf_core.purify.registry import PURIFIERS
from ngf_core.runs import Run, RunStore
from ngf_core.runs.files import MODEL_KINDS, RECEIVED, model_entry
from ngf_core.runs.lineage import training_of

# The name under which the only methods of several races are compared where they differ.
PURIFIED = "purified"
MOST_RESIDUAL = 0.01
DESTROYED = "the model's ACC is at chance: it is destroyed, and its sharpness says nothing"
_TITLES = {"lambda_max": "λ_max", "trace": "trace"}


@dataclass(frozen=True)
class Reading:
    """One number of one model. n: images behind it; rate: its counts, of a rate; error: standard
    error over images and of the computation together, of a sharpness measure, NaN where it was not
    measured; why_not: what forbids to subtract it, or ""."""

    title: str
    value: float
    n: int
    rate: Rate | None = None
    error: float = math.nan
    why_not: str = ""


Models = Mapping[str, Mapping[str, Reading]]


def model_title(model: str) -> str:
    """A model's name for people: "NGF", "the received model", "NGF on conv1"."""
    method, on, layer = model.partition(" on ")
    known = {RECEIVED: "the received model", PURIFIED: "the purified model"} | {
        name: entry.title for name, entry in PURIFIERS.items()}
    return known.get(method, method) + on + layer


def measured_by(run: Run, kind: str, store: RunStore) -> Run | None:
    """The run itself where it is of `kind`, else the newest finished one of it; None without.

    A trained model is also measured by what measures a race of it, as the model that it received.
    """
    if run.kind == kind:
        return run
    done = [other for other in store.list(kind) if other.state == "done"]
    own = [other for other in done if other.manifest["source"] == run.id]
    if not own and run.kind in MODEL_KINDS:
        races = {race.id for race in store.list("purify") if race.manifest["source"] == run.id}
        own = [other for other in done if other.manifest["source"] in races]
    return own[0] if own else None


def own_models(run: Run, measured: Iterable[str]) -> list[str]:
    """Those of the measured models that are the run's own: a training has but the one."""
    return [name for name in measured if name == RECEIVED or run.kind not in MODEL_KINDS]


def models_of(runs: Sequence[Run], store: RunStore) -> list[str]:
    """The models that the runs hold or measure, or will, RECEIVED first."""
    if only_methods(runs):
        return [RECEIVED, PURIFIED]
    races = [race.manifest["config"]["methods"] for run in runs if (race := _race(run, store))]
    mapped = [name for run in runs if run.state == "done" and run.kind == "layers"
              for name, _ in _entries(run)]
    return list(dict.fromkeys([RECEIVED, *(name for methods in races for name in methods),
                               *mapped]))


def _race(run: Run, store: RunStore) -> Run | None:
    """The purification that a run is or measures; None where there is none, or no longer."""
    if run.kind in ("spectrum", "landscape"):
        try:
            run = store.get(run.manifest["source"])
        except NGFError:
            return None
    return run if run.kind == "purify" else None


def only_methods(runs: Sequence[Run]) -> dict[str, str]:
    """The one method of each run by its id, where all are races of one method and these differ;
    else nothing."""
    methods = {run.id: [name for name in run.manifest["config"].get("methods", ())]
               for run in runs if run.kind == "purify"}
    one = {run_id: names[0] for run_id, names in methods.items() if len(names) == 1}
    return one if len(one) == len(runs) and len(set(one.values())) > 1 else {}


def readings(run: Run, spectrum: Run | None, store: RunStore, method: str = "") -> Models:
    """model -> measure -> reading; nothing before the run is done.

    spectrum: the run that measured the models' sharpness. method: the one that is named PURIFIED.
    Raises RunError where a rate in the results is none.
    """
    if run.state != "done":
        return {}
    found: dict[str, dict[str, Reading]] = {}
    for model, entry in _entries(run):
        rates = {name: Rate.from_json(entry.get(name)) for name in RATES}
        found[model] = {name: Reading(name.upper(), rate.value, rate.n, rate,
                                      why_not="" if rate.n else "no image was counted")
                        for name, rate in rates.items() if rate is not None}
    destroyed = {model for model, of in found.items() if at_chance(of.get("acc"), run, store)}
    measured = dict(_measured(spectrum))
    for model in own_models(run, measured):
        sharp = _sharpness(measured[model], spectrum, model in destroyed)
        found.setdefault(model, {}).update(sharp)
    return {PURIFIED if model == method else model: of for model, of in found.items()}


def at_chance(acc: Reading | None, run: Run, store: RunStore) -> bool:
    """Whether an ACC is not resolved from guessing among the classes: what a defense has destroyed.
    """
    return bool(acc and acc.rate and acc.rate.at_chance(classes_of(run, store)))


def classes_of(run: Run, store: RunStore) -> int:
    """The number of classes of a run's models; 0 where it is not known any more."""
    named = run.results.get("class_names")
    try:
        return len(named or DATASETS[training_of(run, store).dataset].class_names)
    except (NGFError, KeyError):
        return 0


def _entries(run: Run) -> Iterator[tuple[str, Mapping[str, Any]]]:
    kind, results = run.kind, run.results
    if kind in (*MODEL_KINDS, "purify", "layers"):
        received = results.get(model_entry(kind, RECEIVED))
        if isinstance(received, dict):
            yield RECEIVED, received
    if kind == "purify":
        yield from ((name, results[name]) for name in run.manifest["config"]["methods"]
                    if name in results)
    if kind == "layers":
        yield from ((f"{entry['method']} on {entry['layer']}", entry) for entry in results["map"])


def _measured(spectrum: Run | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if spectrum is not None and spectrum.state == "done":
        yield from ((name, entry) for name, entry in spectrum.results.items()
                    if isinstance(entry, dict) and "lambda_max" in entry)


def _sharpness(entry: Mapping[str, Any], spectrum: Run | None, destroyed: bool
               ) -> dict[str, Reading]:
    told = entry.get("sharpness") or {}
    n = spectrum.results.get("samples", 0) if spectrum else 0
    own = {"lambda_max": (entry["lambda_max"], entry.get("residual")),
           "trace": (entry.get("trace"), entry.get("trace_error"))}
    own |= {name: (of["value"], of.get("error")) for name, of in told.items() if name not in own}
    found = {}
    for name, (value, computation) in own.items():
        of = told.get(name, {})
        value, computation = _number(value), _number(computation, 0.0)
        error = math.hypot(_number(of.get("sampling_error")), computation)
        unsettled = name.endswith("lambda_max") and not computation <= MOST_RESIDUAL * abs(value)
        found[name] = Reading(of.get("title") or _TITLES.get(name, name), value, n, error=error,
                              why_not=_why_not(value, computation, unsettled, destroyed))
    return found


def _why_not(value: float, computation: float, unsettled: bool, destroyed: bool) -> str:
    if destroyed:
        return DESTROYED
    if not math.isfinite(value):
        return "the value is not finite"
    if unsettled:
        return f"{value:.4g} has not converged (residual {computation:.2g})"
    return "" if value > 0 else f"{value:.4g} is not positive, so there is no ratio"


def _number(value: float | None, missing: float = math.nan) -> float:
    """`missing` where a run's results hold null, as JSON knows no other."""
    return missing if value is None else float(value)
