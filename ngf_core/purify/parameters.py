"""A method's own parameters: one frozen dataclass beside its function, changed by the config."""

import dataclasses
from collections.abc import Iterable
from typing import Any, TypeVar

from ngf_core.config import PurifyConfig
from ngf_core.errors import ConfigError
from ngf_core.options import check_fields
from ngf_core.purify.registry import PURIFIERS

Own = TypeVar("Own")


def changes_of(config: PurifyConfig) -> dict[str, dict[str, float]]:
    """{"anp": {"eps": 0.3}} of "anp.eps=0.3"; ConfigError for text of another form."""
    changes: dict[str, dict[str, float]] = {}
    text = config.parameters.replace(" ", "")
    for part in text.split(",") if text else ():
        name, _, value = part.partition("=")
        method, _, parameter = name.partition(".")
        try:
            number = float(value)
        except ValueError:
            number = None
        if number is None or not parameter:
            raise ConfigError("parameters", f"{part!r} does not name a method's parameter and a "
                              "number", "Write them as anp.eps=0.3,ft_sam.rho=1.")
        if method not in config.methods:
            raise ConfigError("parameters", f"{method!r} is not among the methods of this run",
                              f"It has {', '.join(config.methods)}.")
        if parameter in changes.setdefault(method, {}):
            raise ConfigError("parameters", f"{name} is given twice", "Give it once.")
        changes[method][parameter] = number
    return changes


def listed_parameters(methods: Iterable[str]) -> str:
    """All own parameters of the methods: one line each, as it is written, with what it means."""
    lines = []
    for method in methods:
        cls = PURIFIERS[method].own_class()
        for field in dataclasses.fields(cls) if cls else ():
            low, high = field.metadata["low"], field.metadata["high"]
            lines.append(f"{method}.{field.name}={field.default:g}  {field.metadata['help']} "
                         f"({low:g} to {high:g})")
    return "\n".join(lines) or f"{', '.join(methods)}: no parameters of their own."


def check_parameters(config: PurifyConfig) -> None:
    """ConfigError where `config.parameters` name what a method of the run does not have, or a value
    out of bounds: before anything has been computed."""
    for method in changes_of(config):
        cls = PURIFIERS[method].own_class()
        if cls is None:
            raise ConfigError("parameters", f"method {method} has no parameters of its own",
                              "Leave them out.")
        own_parameters(method, cls, config)


def own_parameters(method: str, cls: type[Own], config: PurifyConfig) -> Own:
    """The parameters `cls` of `method`: its defaults with the changes that the config names.

    The fields are made with `ngf_core.options.option`, so that each has a help text and bounds.
    Raises ConfigError for a parameter it does not have or a value out of bounds.
    """
    types = {field.name: field.type for field in dataclasses.fields(cls)}
    given: dict[str, Any] = {}
    for name, value in changes_of(config).get(method, {}).items():
        if name not in types:
            raise ConfigError("parameters", f"method {method} has no parameter {name!r}",
                              f"It has {', '.join(types) or 'none'}.")
        whole = types[name] is int and value == int(value)
        given[name] = int(value) if whole else value
    own = cls(**given)
    try:
        check_fields(own)
    except ConfigError as error:
        raise ConfigError("parameters", f"{method}.{error.field}: {error.why}", error.fix) from None
    return own
