"""The commands that start a run: `train`, `purify`, `spectrum`, `landscape` and `layers`.

Options are made from the config dataclasses, so a new setting is an option without a line here.
A job runs in the same worker process that the dashboard starts; the command only watches it.
"""

import argparse
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ngf_core.cli.watch import watch
from ngf_core.config import CONFIGS, Config, PurifyConfig, TrainConfig, validate
from ngf_core.data import DATASETS
from ngf_core.errors import ConfigError
from ngf_core.runs import SOURCES, RunStore, default_store, jobs


def add_job(commands: Any, kind: str, config: type[Config]) -> None:
    first_line = config.__doc__.splitlines()[0]
    usage = f"%(prog)s {'SOURCE ' if kind in SOURCES else ''}[options]"
    parser = commands.add_parser(kind, help=first_line, description=first_line, usage=usage)
    for field in dataclasses.fields(config):
        if field.name == "source":
            help_text = field.metadata["help"] + "; `latest` is the newest one that fits"
            parser.add_argument("source", metavar="SOURCE", help=help_text.replace("%", "%%"))
        else:
            _add_option(parser, field)
    parser.add_argument("--detach", action="store_true", help="print the run's id and do not wait")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.set_defaults(command=_job, kind=kind)
    if config is PurifyConfig:
        parser.set_defaults(layer=None)  # not named: where the presets tune the source's network


def _add_option(parser: argparse.ArgumentParser, field: dataclasses.Field) -> None:
    meta, several = field.metadata, isinstance(field.default, tuple)
    default = " ".join(field.default) if several else field.default
    allowed = ", ".join(meta["choices"]) if meta["choices"] else (
        f"{meta['low']} to {meta['high']}" if meta["low"] is not None else "")
    notes = "; ".join(note for note in (allowed, f"default {default}") if note)
    parser.add_argument(
        "--" + field.name.replace("_", "-"), dest=field.name, default=field.default,
        type=_number(field.type) if field.type in (int, float) else str,
        nargs="+" if several else None, metavar={int: "N", float: "X"}.get(field.type, "NAME"),
        help=f"{meta['help']} ({notes})".replace("%", "%%"))


def _number(kind: type) -> Callable[[str], Any]:
    """Read a number; what is none stays text, which `validate` then answers with a sentence."""
    def read(text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            return text
    return read


def _job(options: argparse.Namespace) -> int:
    if options.kind == "purify" and options.parameters == "help":
        from ngf_core.purify.parameters import listed_parameters

        print(listed_parameters(options.methods))
        return 0
    store = default_store()
    config = _config(options, store)
    return watch(jobs.start(config, store), options)


def _config(options: argparse.Namespace, store: RunStore) -> Config:
    cls = CONFIGS[options.kind]
    values = {field.name: getattr(options, field.name) for field in dataclasses.fields(cls)}
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()
              if v is not None}
    config = cls(**values)
    validate(config)
    if isinstance(config, TrainConfig):
        # The run may be purified from another folder than the one we are in.
        config = dataclasses.replace(config, root=_absolute(config.root),
                                     weights=_absolute(config.weights))
    if values.get("source") == "latest":
        config = dataclasses.replace(config, source=store.latest(*SOURCES[options.kind]).id)
    if isinstance(config, PurifyConfig) and "layer" not in values:
        config = dataclasses.replace(config, layer=_usual_layer(config.source, store))
    _refuse_impossible(config, store)
    return config


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path)) if path else ""


def _usual_layer(source: str, store: RunStore) -> str:
    """Where the presets tune the network of the run `source`."""
    received = store.get(source).config
    if not isinstance(received, TrainConfig) or received.arch == TrainConfig.arch:
        return PurifyConfig.layer
    from ngf_core.models.build import default_layer

    return default_layer(received.arch)


def _refuse_impossible(config: Config, store: RunStore) -> None:
    """Raise ConfigError now for what the worker would refuse when its turn has come.

    Defaults fit every attack and network, and are not checked: that would import torch.
    """
    if isinstance(config, TrainConfig):
        if not DATASETS[config.dataset].embedded:
            from ngf_core.data.dataset import find_source

            find_source(config.dataset, config.root)
        if config.weights and not Path(config.weights).is_file():
            raise ConfigError("weights", f"there is no file {config.weights}",
                              "Name a file of ImageNet weights (.pth) as torchvision publishes it.")
        asked = ("poison_rate", "target", "parameters", "size")
        if config.attack != "none" and any(
                getattr(config, name) != getattr(TrainConfig, name) for name in asked):
            from ngf_core.trained.poison_preview import poison_preview

            poison_preview(config)
    elif isinstance(config, PurifyConfig) and config.layer != _usual_layer(config.source, store):
        from ngf_core.models.build import tunable_layer_names
        from ngf_core.models.layer_names import AUTO, named_layers

        received = store.get(config.source).config
        if isinstance(received, TrainConfig) and config.layer != AUTO:
            named_layers(tunable_layer_names(received.arch), config.layer)
