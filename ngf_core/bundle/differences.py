"""Whether runs that were computed again gave the numbers of a bundle.

On the same processor's instructions, threads and versions every number has to be equal, times
apart. Elsewhere sums round differently, training takes another way, and only what a reader would
quote is compared, within SPREAD; and so is a run that starts from a model of other weights, be it
one from elsewhere or one that ships in half precision.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ngf_core.config import Config
from ngf_core.evaluate.rates import Rate, is_rate
from ngf_core.runs import Run, RunStore
from ngf_core.runs.files import SLICES

# What is allowed elsewhere. The rates in percentage points: a purification that ends near a
# threshold ends elsewhere at quite another ASR (docs/library.md has a case of 14 points). λ_max and
# trace as a factor: another draw of images alone moves them by half.
SPREAD: dict[str, float] = {"acc": 3.0, "asr": 15.0, "ra": 15.0, "lambda_max": 2.0, "trace": 2.0}
RATES, FACTORS = ("acc", "asr", "ra"), ("lambda_max", "trace")
# What time decided, and what it took.
_TIMED = ("seconds", "live_sharpness", "resumed", "came_as", "train_config")
# Where along a race they are taken, and how well they converge, depends on the time it takes.
_TIMED_METRICS = ("lambda_max", "lambda_error", "fisher_trace", "fisher_trace_error")
ARRAYS = ("spectrum", "landscape")
# Folders and files of one machine.
_PLACES = ("root", "weights", "file", "triggered")


@dataclass(frozen=True)
class Difference:
    """One number that is not what the bundle says: of which run, and what was allowed."""

    run: str
    what: str
    bundle: str
    again: str
    allowed: str


@dataclass(frozen=True)
class Comparison:
    """All differences, how many numbers were compared, and the runs that had to be equal."""

    differences: tuple[Difference, ...]
    compared: int
    equal: tuple[str, ...]
    within: tuple[str, ...]


def compare(bundled: Sequence[Run], store: RunStore) -> Comparison:
    """The runs of a bundle, sources first, beside the runs of a store with the same settings."""
    differences: list[Difference] = []
    again: dict[str, Run] = {}
    equal: list[str] = []
    within: list[str] = []
    same_models: set[str] = set()
    compared = 0
    for run in bundled:
        other = _counterpart(run, again, store)
        if other is None:
            differences.append(Difference(run.id, "run", "done", "missing",
                                          "computed again"))
            continue
        again[run.id] = other
        exact = same_place(run.manifest, other.manifest) and _sources(run.config) <= same_models
        if _models(run) == _models(other):
            same_models.add(run.id)
        (equal if exact else within).append(run.id)
        names = {old: new.id for old, new in again.items()}
        for what, here, there, allowed in _numbers(run, other, names, exact):
            compared += 1
            if not _holds(here, there, allowed):
                differences.append(Difference(run.id, what, _shown(here), _shown(there),
                                              _stated(allowed)))
    return Comparison(tuple(differences), compared, tuple(equal), tuple(within))


def same_place(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two runs have to give equal numbers: on processors of the same instructions, with as
    many threads and ranks and the same versions."""
    ranks = [manifest.get("ranks") or 1 for manifest in (one, other)]
    return (one["device"] == other["device"] == "cpu" and ranks[0] == ranks[1] and all(
        one[key] is not None and one[key] == other[key] for key in ("instructions", "threads"))
        and all((one["versions"] or {}).get(name) == (other["versions"] or {}).get(name)
                for name in ("torch", "numpy")))


def _counterpart(run: Run, again: Mapping[str, Run], store: RunStore) -> Run | None:
    """The newest finished run of the store with the settings of `run`, on the counterparts of its
    sources, that was computed there: not this one again, and none that came in a bundle."""
    names = {name: again[name].id for name in _sources(run.config) if name in again}
    if len(names) < len(_sources(run.config)):
        return None
    wanted = _settings(run.config, names)
    return next((other for other in store.list(run.kind) if other.state == "done"
                 and other.manifest["foreign"] is None
                 and other.manifest["created"] != run.manifest["created"]
                 and _settings(other.config, {}) == wanted), None)


def _models(run: Run) -> dict[str, str]:
    """The checksums of the files of its models."""
    return {name: sha for name, sha in run.manifest["files"].items()
            if name.endswith(".safetensors")}


def _sources(config: Config) -> set[str]:
    return {name for name in (getattr(config, "source", ""), getattr(config, "against", ""))
            if name}


def _settings(config: Config, names: Mapping[str, str]) -> Config:
    """The config without places of one machine, its sources by other names."""
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name in _PLACES:
            changed[field.name] = ""
        elif field.name in ("source", "against"):
            changed[field.name] = names.get(value, value)
    return dataclasses.replace(config, **changed)


def _numbers(run: Run, other: Run, names: Mapping[str, str], exact: bool
             ) -> Iterator[tuple[str, Any, Any, tuple[str, float] | None]]:
    """What is compared: its name, both values, and what is allowed: None, or (kind, amount).

    names: the new ids of runs that results may name.
    """
    if not exact:
        there = dict(_leaves(other.results))
        for name, value in _leaves(run.results):
            last = name.rpartition(".")[2]
            if last in RATES and value is not None:
                yield name, value, there.get(name), ("points", SPREAD[last])
            elif last in FACTORS and isinstance(value, float):
                yield name, value, there.get(name), ("factor", SPREAD[last])
        return
    # Spectra of earlier versions have no slices.
    files = (*ARRAYS, *([SLICES] if run.has(SLICES) and other.has(SLICES) else []))
    yield "data_sha", run.manifest["data_sha"], other.manifest["data_sha"], None
    for part, one, two in (("", _leaves(run.results), _leaves(other.results)),
                           ("curves.", _curves(run), _curves(other)),
                           ("", _arrays(run, files), _arrays(other, files))):
        here, there = dict(one), dict(two)
        for name in sorted(here.keys() | there.keys()):
            if not part or name.rpartition(" ")[2] not in _TIMED_METRICS:
                value = here.get(name)
                named = names.get(value, value) if isinstance(value, str) else value
                yield part + name, named, there.get(name), None


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The results as a flat list of numbers and words by their path; a rate is one of them."""
    if isinstance(value, Mapping) and not is_rate(value):
        for key, entry in value.items():
            if key not in _TIMED and not str(key).endswith("_seconds"):
                yield from _leaves(entry, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
        for place, entry in enumerate(value):
            yield from _leaves(entry, f"{name}.{place}")
    else:
        yield name, value


def _curves(run: Run) -> Iterator[tuple[str, Any]]:
    for row in run.points().itertuples():
        yield f"{row.method} {row.step} {row.metric}", None if math.isnan(row.value) else row.value


def _arrays(run: Run, files: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for file in files:
        if run.has(f"{file}.npz"):
            for key, array in run.arrays(file).items():
                yield f"{file}.{key}", (str(array.dtype), array.shape, array.tobytes())


def _holds(here: Any, there: Any, allowed: tuple[str, float] | None) -> bool:
    if allowed is None:
        return bool(here == there)
    kind, amount = allowed
    if kind == "points":
        one, two = (Rate.from_json(value) if is_rate(value) else None for value in (here, there))
        if one is None or two is None or not one.n or not two.n:
            return bool(here == there)
        return abs(one.value - two.value) * 100 <= amount
    if not isinstance(there, int | float):
        return False
    return bool(here == there or (here * there > 0
                                  and 1 / amount <= abs(here / there) <= amount))


def _shown(value: Any) -> str:
    if is_rate(value):
        return f"{value['hits']} of {value['n']}"
    if isinstance(value, tuple):
        return f"{value[0]} {list(value[1])}"
    return str(value)[:60]


def _stated(allowed: tuple[str, float] | None) -> str:
    if allowed is None:
        return "equal"
    return f"{allowed[1]:g} points" if allowed[0] == "points" else f"factor {allowed[1]:g}"
