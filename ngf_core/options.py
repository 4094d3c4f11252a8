"""Settings as dataclass fields that carry their own help text and bounds.

The command line, the pages and the validation all read this one description.
"""

import dataclasses
import math
from typing import Any

from ngf_core.errors import ConfigError


def option(default: Any, help: str, low: float | None = None, high: float | None = None,
           choices: tuple | None = None) -> Any:
    """A dataclass field with its help text and its closed bounds or allowed values."""
    metadata = {"help": help, "low": low, "high": high, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


def check_fields(settings: Any) -> None:
    """Raise ConfigError for the first field of a dataclass made with `option` whose type, bounds or
    value is wrong."""
    for field in dataclasses.fields(settings):
        value, meta = getattr(settings, field.name), field.metadata
        if field.type is bool:
            if not isinstance(value, bool):
                raise ConfigError(field.name, f"{value!r} is not true or false",
                                  "Use true or false.")
        elif field.type in (int, float):
            _check_number(field.name, value, field.type, meta)
        elif field.type is str:
            if not isinstance(value, str):
                raise ConfigError(field.name, f"{value!r} is not text", "Write it in quotes.")
            _check_choice(field.name, value, meta["choices"])
        else:
            if not isinstance(value, tuple) or not value:
                raise ConfigError(field.name, f"{value!r} is empty or not a list",
                                  f"Name at least one of {listed(meta['choices'])}.")
            names: list[Any] = [getattr(item, "method", item) for item in value]  # of settings
            for name in names:
                _check_choice(field.name, name, meta["choices"])
            if len(set(names)) < len(names):
                raise ConfigError(field.name, f"{', '.join(names)} names something twice",
                                  "Name each once.")


def _check_number(name: str, value: Any, kind: type, meta: Any) -> None:
    low, high = meta["low"], meta["high"]
    allowed = (int,) if kind is int else (int, float)
    is_number = isinstance(value, allowed) and not isinstance(value, bool)
    if not is_number or (isinstance(value, float) and not math.isfinite(value)):
        noun = "a whole number" if kind is int else "a finite number"
        raise ConfigError(name, f"{value!r} is not {noun}", f"Use a number from {low} to {high}.")
    if not low <= value <= high:
        raise ConfigError(name, f"{value} is out of range", f"Use a number from {low} to {high}.")


def _check_choice(name: str, value: str, choices: tuple | None) -> None:
    if choices is not None and value not in choices:
        raise ConfigError(name, f"{value!r} is unknown", f"Choose one of {listed(choices)}.")


def listed(names: tuple) -> str:
    return ", ".join(names)


def either(names: tuple[str, ...]) -> str:
    """The names as alternatives: "train, import or purify"."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
