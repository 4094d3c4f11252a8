"""A config as the command that starts its run."""

import dataclasses
import shlex
from collections.abc import Mapping
from typing import Any

from ngf_core.config.kinds import Config
from ngf_core.config.layers import LayersConfig
from ngf_core.config.methods import layers_of, names_of
from ngf_core.config.purify import PurifyConfig

POSITIONAL = ("source", "file")


def command_line(config: Config) -> str:
    """The command that starts a run of `config`; settings at their default are left out.

    The tuned layer of a purification is always named, since its default depends on the network.
    """
    return shlex.join(command_words(config))


def command_words(config: Config, stated: Mapping[str, Any] | None = None) -> list[str]:
    """The words of `command_line`; those settings that `stated` holds (a config as JSON) are named
    at their default too, for code in which defaults may be others."""
    stated = stated or {}
    words = ["python", "-m", "ngf_core", config.kind]
    words += [getattr(config, name) for name in POSITIONAL if hasattr(config, name)]
    if isinstance(config, PurifyConfig | LayersConfig):
        words += _method_words(config, stated.get("methods", {}))
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name in (*POSITIONAL, "methods") or value == () or (
                value == field.default and field.name not in stated):
            continue
        if isinstance(value, bool):
            words.append(flag(field.name) if value else f"--no-{flag(field.name)[2:]}")
        else:
            words += [flag(field.name), *map(str, value if isinstance(value, tuple) else (value,))]
    return words


def on_threads(command: str, threads: int | None) -> str:
    """The command as a shell takes it, on that many threads; as it is where they are unknown.

    Sums over another number of threads round differently, so that a run repeats exactly only on as
    many.
    """
    return f"OMP_NUM_THREADS={threads} {command}" if threads else command


def ranks_words(manifest: Mapping[str, Any]) -> list[str]:
    """The words that let a command compute a run on as many ranks as its manifest names."""
    ranks, nodes = manifest.get("ranks") or 1, manifest.get("nodes") or 1
    words = ["--devices", str(ranks // nodes)] if ranks > nodes else []
    return [*words, "--nodes", str(nodes)] if nodes > 1 else words


def command_again(config: Config, manifest: Mapping[str, Any]) -> str:
    """The command that computes a run of `config` again, on as many threads and ranks as its
    manifest names."""
    command = shlex.join([*command_words(config), *ranks_words(manifest)])
    return on_threads(command, manifest.get("threads"))


def flag(name: str, method: str = "") -> str:
    """The option of a setting, --batch-size, or of a method's own setting, --ngf.kl-bound."""
    return f"--{method}{'.' * bool(method)}{name.replace('_', '-')}"


def _method_words(config: PurifyConfig | LayersConfig, stated: Mapping[str, Any]
                  ) -> list[str]:
    usual = config.names == names_of(type(config).methods) and not stated
    words = [] if usual else ["--methods", *config.names]
    layers = layers_of(config.methods) if isinstance(config, PurifyConfig) else {}
    shared = len(set(layers.values())) == 1
    words += ["--layer", next(iter(layers.values()))] if shared else []
    for own in config.methods:
        for field in dataclasses.fields(own):
            value: Any = getattr(own, field.name)
            named = own.method in layers and field.name == "layer"
            if named and shared or not named and value == field.default and (
                    field.name == "layer" or field.name not in stated.get(own.method, {})):
                continue
            if isinstance(value, bool):
                words.append(flag(field.name, own.method) if value else
                             f"--no-{flag(field.name, own.method)[2:]}")
            else:
                words += [flag(field.name, own.method), str(value)]
    return words
