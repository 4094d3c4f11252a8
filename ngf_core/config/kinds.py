"""The kinds of run, and their configs as JSON both ways, hashed."""

import dataclasses
import hashlib
import json
from typing import Any

from ngf_core.config.audit import AuditConfig
from ngf_core.config.imported import ImportConfig
from ngf_core.config.landscape import LandscapeConfig
from ngf_core.config.layers import LayersConfig
from ngf_core.config.methods import check_methods, layers_of, made, names_of
from ngf_core.config.purify import PurifyConfig
from ngf_core.config.spectrum import SpectrumConfig
from ngf_core.config.train import TrainConfig
from ngf_core.errors import ConfigError
from ngf_core.models.layer_names import AUTO, LAST
from ngf_core.options import check_fields, listed
from ngf_core.purify.settings import MethodSettings

CONFIGS = {c.kind: c for c in (TrainConfig, ImportConfig, PurifyConfig, SpectrumConfig,
                               LandscapeConfig, LayersConfig, AuditConfig)}
# Runs of these kinds begin with a model and have no source.
ModelConfig = TrainConfig | ImportConfig
Config = (ModelConfig | PurifyConfig | SpectrumConfig | LandscapeConfig | LayersConfig
          | AuditConfig)


def validate(config: Config) -> None:
    """Raise ConfigError for the first field whose type, bounds or value is wrong."""
    if isinstance(config, PurifyConfig | LayersConfig):
        check_methods(config.methods)
    check_fields(config)
    if isinstance(config, LayersConfig):
        if any(layer not in (AUTO, LAST) for layer in layers_of(config.methods).values()):
            raise ConfigError("layer", "a layer map tunes every layer, one at a time", "Name none.")
        for own in config.methods:
            if own.chooses_step_size:
                raise ConfigError(f"{own.method}.step_size", "a layer map chooses no step size",
                                  "Use 'given'.")
    if getattr(config, "source", None) == "":
        raise ConfigError("source", "no run is named",
                          "Give the id of a finished run; `python -m ngf_core runs` lists them.")
    if isinstance(config, ImportConfig) and not config.normalisation:
        raise ConfigError("normalisation", "the pixels of the network's training are not named",
                          "Name them: ngf for a network trained here, imagenet, cifar10, none (0 "
                          "to 1), or mean,mean,mean/deviation,deviation,deviation.")


def to_json(config: Config) -> dict[str, Any]:
    """The config as plain JSON values, with its kind; the settings of its methods by their name."""
    return {"kind": config.kind} | _plain(config)


def flat(config: Config) -> dict[str, Any]:
    """All settings by name, those of the methods as "ngf.kl_bound"."""
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    methods = values.get("methods", ())
    values |= {"methods": names_of(methods)} if methods else {}
    return values | {f"{own.method}.{field.name}": getattr(own, field.name)
                     for own in methods for field in dataclasses.fields(own)}


def _plain(settings: Any) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.name == "methods":
            value = {own.method: _plain(own) for own in value}
        elif isinstance(value, tuple):
            value = list(value)
        elif field.type is float:
            value = float(value)  # 1 and 1.0 are one config, so they must have one hash
        values[field.name] = value
    return values


def from_json(values: dict[str, Any]) -> Config:
    """The config that `to_json` wrote, validated.

    Raises ConfigError for an unknown kind, an unknown field or a bad value.
    """
    if not isinstance(values, dict):
        raise ConfigError("config", f"is a {type(values).__name__} and not a table of settings",
                          'Write it as {"kind": "train", "dataset": "signs"}.')
    values = dict(values)
    kind = values.pop("kind", None)
    if not isinstance(kind, str) or kind not in CONFIGS:
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
    if "methods" in values:
        values["methods"] = _methods(values["methods"])
    config = cls(**values)
    validate(config)
    return config


def _methods(values: Any) -> tuple[MethodSettings, ...]:
    if not isinstance(values, dict) or not all(isinstance(own, dict) for own in values.values()):
        raise ConfigError("methods", f"{values!r} does not give the settings of each method",
                          'Write them as {"ngf": {"kl_bound": 0.3}, "sgd": {}}.')
    return made(values, values)


def config_sha(config: Config, without_seed: bool = False) -> str:
    """SHA-256 of the canonical JSON; without the seed it names the group of replicates."""
    values = to_json(config)
    if without_seed:
        values.pop("seed")
    if "methods" in values:
        values["methods"] = list(values["methods"].items())  # their order is part of the config
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
