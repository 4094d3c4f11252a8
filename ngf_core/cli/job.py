"""The commands that start a run: `train`, `import`, `purify`, `spectrum`, `landscape`, `layers`;
`audit`, which may start several, is beside.

Options are built from the config dataclasses, so a new setting becomes an option without a change
here. A job runs in the same worker process that the dashboard starts; the command only follows it.
"""

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ngf_core.attacks import OWN
from ngf_core.cli.lists import add_list
from ngf_core.cli.watch import watch
from ngf_core.config import (
    CONFIGS,
    Config,
    ImportConfig,
    PurifyConfig,
    TrainConfig,
    validate,
)
from ngf_core.config.command import flag
from ngf_core.config.methods import made, names_of
from ngf_core.data import DATASETS
from ngf_core.errors import ConfigError
from ngf_core.models.layer_names import AUTO, LAST, named_layers
from ngf_core.purify.registry import LAYERED, PURIFIERS
from ngf_core.purify.settings import LayerSettings
from ngf_core.ranks.torchrun import check_ranks
from ngf_core.runs import SOURCES, RunStore, default_store, jobs
from ngf_core.runs.cores import available_cores
from ngf_core.runs.lineage import training_of

SHARED = ("train", "spectrum", "landscape")  # what several processes can compute together


def add_job(commands: Any, kind: str, config: type[Config]) -> None:
    first_line = (config.__doc__ or "").partition("\n")[0]
    named = "SOURCE " if kind in SOURCES else "FILE " if kind == "import" else ""
    usage = f"%(prog)s {named}[options]"
    parser = commands.add_parser(kind, help=first_line, description=first_line, usage=usage)
    for field in dataclasses.fields(config):
        if field.name == "source":
            help_text = field.metadata["help"] + "; `latest` is the newest one that fits"
            parser.add_argument("source", metavar="SOURCE", help=help_text.replace("%", "%%"))
        elif field.name == "file":
            parser.add_argument("file", metavar="FILE", help=field.metadata["help"])
        elif field.name == "methods":
            _add_methods(parser, field, config)
        else:
            add_option(parser, field)
    if kind in SHARED:
        _add_ranks(parser)
    parser.add_argument("--detach", action="store_true", help="print the run's id and do not wait")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.set_defaults(command=_job, kind=kind)


def _add_ranks(parser: argparse.ArgumentParser) -> None:
    """--devices and --nodes: they change what computes a run, and not its results."""
    parser.add_argument("--devices", type=_number(int), default=1, metavar="N", help=(
        "processes of a node, each with a GPU of its own or, where there is none, a share of the "
        "cores (default 1)"))
    parser.add_argument("--nodes", type=_number(int), default=1, metavar="N", help=(
        "nodes, on each of which torchrun has to be called (default 1)"))


def _add_methods(parser: argparse.ArgumentParser, field: dataclasses.Field, config: type[Config]
                 ) -> None:
    """--methods, and the settings of each method that may be named, one group per method."""
    names = field.metadata["choices"]
    methods: Any = field.default
    add_list(parser, "methods", "defenses", default=list(names_of(methods)), metavar="NAME",
             help=f"{field.metadata['help']} ({', '.join(names)}; default "
                  f"{' '.join(names_of(methods))})")
    if config is PurifyConfig:
        parser.add_argument("--layer", metavar="NAME", help=(
            f"layers to tune, for every method that tunes named layers ({', '.join(LAYERED)}); "
            "default: the usual layer of the source's network"))
    for name in names:
        entry = PURIFIERS[name]
        own = parser.add_argument_group(f"settings of {name} ({entry.title})")
        for of in dataclasses.fields(entry.settings):
            if of.name != "layer" or config is PurifyConfig:
                add_option(own, of, name)


def add_option(parser: Any, field: dataclasses.Field, method: str = "") -> None:
    """Add an option for a config's field, or for a `method`'s own; one not given is absent."""
    meta, default = field.metadata, field.default
    several = isinstance(default, tuple)
    shown = " ".join(default) if isinstance(default, tuple) else default if default != "" else '""'
    allowed = ", ".join(meta["choices"]) if meta["choices"] else (
        f"{meta['low']} to {meta['high']}" if meta["low"] is not None else "")
    if method and field.name == "layer":
        shown = "--layer"  # which the command line fills in where nothing is named
    notes = "; ".join(note for note in (allowed, f"default {shown}") if note)
    form: dict[str, Any] = {
        "dest": f"{method}.{field.name}" if method else field.name,
        "default": argparse.SUPPRESS if method else default,
        "help": f"{meta['help']} ({notes})".replace("%", "%%")}
    if several:
        add_list(parser, field.name, metavar="NAME", **form)
        return
    if field.type is bool:
        form["action"] = argparse.BooleanOptionalAction
    else:
        form |= {"type": _number(field.type) if field.type in (int, float) else str,
                 "metavar": "N" if field.type is int else "X" if field.type is float else "NAME"}
    parser.add_argument(flag(field.name, method), **form)


def _number(kind: type) -> Callable[[str], Any]:
    """Read a number; other text stays text, for which `validate` then raises its error."""
    def read(text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            return text
    return read


def _job(options: argparse.Namespace) -> int:
    store = default_store()
    config = _config(options, store)
    ranks = {"devices": options.devices, "nodes": options.nodes} if options.kind in SHARED else {}
    if ranks:
        check_ranks(**ranks, cores=available_cores())
    return watch(jobs.start(config, store, **ranks), store, options)


def _config(options: argparse.Namespace, store: RunStore) -> Config:
    cls = CONFIGS[options.kind]
    values = {field.name: getattr(options, field.name) for field in dataclasses.fields(cls)}
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    if "methods" in values:
        values["methods"] = made(values["methods"], _given(options))
    config = cls(**values)
    validate(config)
    if isinstance(config, TrainConfig):
        # The run may be purified from a folder other than the current one.
        config = dataclasses.replace(config, root=_absolute(config.root),
                                     weights=_absolute(config.weights))
    elif isinstance(config, ImportConfig):
        return _described(config, store)
    elif config.source == "latest":
        config = dataclasses.replace(config, source=store.latest(*SOURCES[options.kind]).id)
    if isinstance(config, PurifyConfig):
        config = _with_layers(config, options)
    _refuse_impossible(config, store)
    return config


def _described(config: ImportConfig, store: RunStore) -> ImportConfig:
    """The import with what its file holds, which is printed."""
    from ngf_core.imports.take_in import described

    config = dataclasses.replace(config, root=_absolute(config.root),
                                 triggered=_absolute(config.triggered))
    config, found = described(config, Path(config.file).expanduser(), store)
    for sentence in found.sentences():
        print(sentence, file=sys.stderr)
    return config


def _given(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The methods' own settings as given, {"ngf": {"kl_bound": 0.3}}; --layer is not among them."""
    given: dict[str, dict[str, Any]] = {}
    for name, value in vars(options).items():
        method, dot, setting = name.partition(".")
        if dot:
            given.setdefault(method, {})[setting] = value
    return given


def _with_layers(config: PurifyConfig, options: argparse.Namespace) -> PurifyConfig:
    """The config with the layer of --layer for the methods that tune a named layer and were given
    none of their own."""
    if options.layer is None:
        return config
    if not config.layers:
        raise ConfigError("layer", f"{', '.join(config.names)} tune no layer that is named",
                          "Leave it out.")
    given = _given(options)
    return dataclasses.replace(config, methods=tuple(
        dataclasses.replace(own, layer=options.layer)
        if isinstance(own, LayerSettings) and "layer" not in given.get(own.method, {}) else own
        for own in config.methods))


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path)) if path else ""


def _refuse_impossible(config: Config, store: RunStore) -> None:
    """Raise ConfigError now for what the worker would reject when its turn comes.

    Defaults fit every published attack and network on the sets that ship, and are not checked: that
    would import torch.
    """
    if isinstance(config, TrainConfig):
        if config.weights and not Path(config.weights).is_file():
            raise ConfigError("weights", f"there is no file {config.weights}",
                              "Name a file of ImageNet weights (.pth) as torchvision publishes it.")
        if config.attack == "none" and config.parameters:
            raise ConfigError("parameters", "a benign model has no trigger", "Leave them out, or "
                              "name an attack.")
        checked = ("poison_rate", "target", "parameters", "size", "limit")
        if not DATASETS[config.dataset].embedded or config.attack in OWN or any(
                getattr(config, name) != getattr(TrainConfig, name) for name in checked):
            from ngf_core.trained.load import check_images

            check_images(config)
    elif isinstance(config, PurifyConfig):
        unusual = set(config.layers.values()) - {AUTO, LAST}
        if unusual:
            from ngf_core.models.build import tunable_layer_names

            train = training_of(store.get(config.source), store)
            for layer in unusual if isinstance(train, TrainConfig) else ():
                named_layers(tunable_layer_names(train.arch), layer)
