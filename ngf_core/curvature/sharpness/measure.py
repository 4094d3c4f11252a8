"""Reading several measures of one model, and of one model against another."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ngf_core.curvature.sharpness import SHARPNESS
from ngf_core.curvature.sharpness.reading import Reading, SharpnessMeasure, difference
from ngf_core.curvature.sharpness.subject import Subject
from ngf_core.errors import ConfigError


def measures(names: str | Sequence[str] = "cheap") -> dict[str, SharpnessMeasure]:
    """The measures called `names`; "all", "none", or the "cheap" ones.

    Raises ConfigError for a name that is not registered.
    """
    if isinstance(names, str) and names in ("all", "none", "cheap"):
        every = {name: entry.load() for name, entry in SHARPNESS.items()}
        return {name: m for name, m in every.items()
                if names == "all" or (names == "cheap" and m.cheap)}
    names = [names] if isinstance(names, str) else names
    for name in names:
        if name not in SHARPNESS:
            raise ConfigError("sharpness", f"{name!r} is unknown",
                              f"Choose from {', '.join(SHARPNESS)}, or all, cheap or none.")
    return {name: SHARPNESS[name].load() for name in names}


def measure_sharpness(subject: Subject, names: str | Sequence[str] = "cheap"
                      ) -> dict[str, Reading]:
    """The readings of one model. The cost of what two measures share is counted in the first."""
    readings = {}
    for name, measure in measures(names).items():
        before = subject.spent.copy()
        reading = measure.read(subject)
        readings[name] = replace(reading, cost=dict(subject.spent - before))
    return readings


def report(readings: Mapping[str, Reading], before: Mapping[str, Reading] | None = None
           ) -> dict[str, dict[str, Any]]:
    """The readings as plain values for a run's results, with words and differences to `before`."""
    return {name: _entry(SHARPNESS[name].load(), reading, (before or {}).get(name))
            for name, reading in readings.items()}


def _entry(measure: SharpnessMeasure, reading: Reading, before: Reading | None) -> dict[str, Any]:
    entry = {"title": measure.title, "definition": measure.definition,
             "moved_by": measure.moved_by, "value": reading.value, "error": reading.error,
             "error_is": reading.error_is, "sampling_error": reading.sampling_error,
             "cost": dict(reading.cost),
             "parts": {name: [part.value, part.error] for name, part in reading.parts.items()}}
    if before is not None:
        minus = difference(reading, before)
        entry["minus_before"] = {"value": minus.value, "error": minus.error,
                                 "error_is": minus.error_is,
                                 "sampling_error": minus.sampling_error}
    return entry
