"""The kinds of run, and their configs as JSON both ways, hashed."""

import dataclasses
import hashlib
import json
from typing import Any

from ngf_core.config.landscape import LandscapeConfig
from ngf_core.config.layers import LayersConfig
from ngf_core.config.purify import PurifyConfig
from ngf_core.config.spectrum import SpectrumConfig
from ngf_core.config.train import TrainConfig
from ngf_core.errors import ConfigError
from ngf_core.options import check_fields, listed

CONFIGS = {c.kind: c for c in (TrainConfig, PurifyConfig, SpectrumConfig, LandscapeConfig,
                               LayersConfig)}
Config = TrainConfig | PurifyConfig | SpectrumConfig | LandscapeConfig | LayersConfig


def validate(config: Config) -> None:
    """Raise ConfigError for the first field whose type, bounds or value is wrong."""
    check_fields(config)
    if getattr(config, "source", None) == "":
        raise ConfigError("source", "no run is named",
                          "Give the id of a finished run; `python -m ngf_core runs` lists them.")


def to_json(config: Config) -> dict[str, Any]:
    """The config as plain JSON values, with its kind."""
    values: dict[str, Any] = {"kind": config.kind}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, tuple):
            value = list(value)
        elif field.type is float:
            value = float(value)  # 1 and 1.0 are one config, so they must have one hash
        values[field.name] = value
    return values


def from_json(values: dict[str, Any]) -> Config:
    """The config that `to_json` wrote, validated.

    Raises ConfigError for an unknown kind, an unknown field or a bad value.
    """
    values = dict(values)
    kind = values.pop("kind", None)
    if kind not in CONFIGS:
        raise ConfigError("kind", f"{kind!r} is unknown",
                          f"Choose one of {listed(tuple(CONFIGS))}.")
    cls = CONFIGS[kind]
    types = {f.name: f.type for f in dataclasses.fields(cls)}
    for name in values:
        if name not in types:
            raise ConfigError(name, f"a {kind} run has no such setting",
                              f"It has {listed(tuple(types))}.")
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = tuple(value)
    config = cls(**values)
    validate(config)
    return config


def config_sha(config: Config, without_seed: bool = False) -> str:
    """SHA-256 of the canonical JSON; without the seed it names the group of replicates."""
    values = to_json(config)
    if without_seed:
        values.pop("seed")
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
