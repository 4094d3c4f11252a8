"""The methods of a run: their settings as a field of its config, in JSON and by name."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ngf_core.errors import ConfigError
from ngf_core.options import listed, option
from ngf_core.purify.registry import PURIFIERS
from ngf_core.purify.settings import NGF, LayerSettings, MethodSettings

Methods = tuple[MethodSettings, ...]


def names_of(methods: Methods) -> tuple[str, ...]:
    """The methods by name, in their order."""
    return tuple(own.method for own in methods)


def layers_of(methods: Methods) -> dict[str, str]:
    """What each method that is told a layer tunes, by the method's name."""
    return {own.method: own.layer for own in methods if isinstance(own, LayerSettings)}


def ngf_of(methods: Methods) -> NGF | None:
    """NGF's settings, where it is among the methods."""
    return next((own for own in methods if isinstance(own, NGF)), None)


def with_layer(methods: Methods, layer: str) -> Methods:
    """The same methods, with `layer` for those that are told one."""
    return tuple(dataclasses.replace(own, layer=layer) if isinstance(own, LayerSettings) else own
                 for own in methods)


def made(names: Iterable[str], given: Mapping[str, Mapping[str, Any]]) -> Methods:
    """The settings of the methods `names`, with what is `given` for each; defaults otherwise.

    Raises ConfigError for an unknown method, for settings of a method that is not among `names`,
    and for a setting that the method does not have or that is out of bounds.
    """
    names = tuple(names)
    for name in given:
        if name not in names:
            raise ConfigError(f"{name}.{next(iter(given[name]), 'settings')}",
                              f"{name} is not among the methods of this run, "
                              f"{listed(names) or 'which has none'}",
                              f"Leave it out, or add {name} to the methods.")
    return tuple(_settings(name, given.get(name, {})) for name in names)


def _settings(name: str, given: Mapping[str, Any]) -> MethodSettings:
    if name not in PURIFIERS:
        raise ConfigError("methods", f"{name!r} is unknown",
                          f"Choose one of {listed(tuple(PURIFIERS))}.")
    cls = PURIFIERS[name].settings
    known = tuple(field.name for field in dataclasses.fields(cls))
    for field in given:
        if field not in known:
            raise ConfigError(f"{name}.{field}", f"{name} has no such setting",
                              f"It has {listed(known) or 'none'}.")
    return cls(**given)


def methods_option(default: Methods, help: str, choices: tuple[str, ...]) -> Any:
    """A dataclass field for the settings of methods whose names are among `choices`."""
    return option(default, help, choices=choices)


def check_methods(methods: Any) -> None:
    """Raise ConfigError where `methods` are not the settings of at least one method."""
    for own in methods if isinstance(methods, tuple) else ():
        if not isinstance(own, MethodSettings):
            raise ConfigError("methods", f"{own!r} is not the settings of a method",
                              "Give NGF(), ANP(eps=0.3) or another of ngf_core.purify.")
