"""The command line: `python -m ngf_core`.

Options are made from the config dataclasses, so a new setting is an option without a line here.
A job runs in the same worker process that the dashboard starts; the command only watches it.
"""

import argparse
import dataclasses
import json
import os
import shlex
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from ngf_core.cli.tables import results_table, runs_table
from ngf_core.config import CONFIGS, Config, PurifyConfig, TrainConfig, validate
from ngf_core.data import DATASETS
from ngf_core.errors import ConfigError, NGFError
from ngf_core.runs import SOURCES, Run, RunStore, default_store, jobs

_INTRO = """\
Backdoor a model, purify it with NGF, and look at its curvature. For example:

  python -m ngf_core train --dataset signs --attack badnets
  python -m ngf_core purify latest --methods ngf sgd
  python -m ngf_core spectrum latest        (or: landscape latest)
  python -m ngf_core runs

Each job prints its run's id and goes on if you close the terminal; Ctrl-C asks it to stop.
`latest` is the newest finished run that fits. Runs are kept in ./runs, or where NGF_RUNS points.
"""
_LOOK = 0.2
_MORE = {
    "zoo": ("ngf_core.execute.zoo", "Build the runs that ship with NGF Lab."),
    "data": ("ngf_core.cli.data", "List data sets, or download one."),
    "attacks": ("ngf_core.cli.attacks", "Check every attack, or write a poisoned set."),
    "benchmark": ("ngf_core.cli.benchmark", "Compare all defenses on all attacks."),
}


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_layout, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message}. `{self.prog} --help` lists what there is.\n")


def _layout(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=26, width=96)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 where all went well, 1 where a run did not finish, 2 for bad input."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        options = _parser(arguments).parse_args(arguments or ["--help"])
        return options.command(options)
    except KeyboardInterrupt:
        return 130
    except NGFError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


# ---- what may be said


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m ngf_core", description=_INTRO)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for kind, config in CONFIGS.items():
        _add_job(commands, kind, config)
    for name, (module, help_text) in _MORE.items():
        # Their modules import torch, so only the one that is asked for is loaded.
        parser_of = commands.add_parser(name, help=help_text, description=help_text)
        if arguments[:1] == [name]:
            more = import_module(module)
            more.add_arguments(parser_of)
            parser_of.set_defaults(command=more.run)
    _add_runs(commands)
    return parser


def _add_job(commands: Any, kind: str, config: type[Config]) -> None:
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


def _add_runs(commands: Any) -> None:
    parser = commands.add_parser("runs", help="List runs, show, cancel, restart or delete one.",
                                 description="List runs (the default), or act on one.")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.set_defaults(command=_list)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    for name, command, help_text in (
            ("list", _list, "all runs, newest first"),
            ("show", _show, "settings, state and results of one run"),
            ("cancel", _cancel, "stop a run and keep its curves"),
            ("restart", _restart, "start a new run with the settings of an old one"),
            ("delete", _delete, "delete a run that is not running")):
        action = actions.add_parser(name, help=help_text, description=help_text)
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS,
                            help="print as JSON")
        if command is not _list:
            action.add_argument("id", metavar="ID", help="the run's id")
        if command is _restart:
            action.add_argument("--detach", action="store_true",
                                help="print the run's id and do not wait")
        action.set_defaults(command=command)


def command_line(config: Config) -> str:
    """The command that makes a run of `config`; settings at their default are left out.

    The tuned layer is always named: without one, another network's is another one.
    """
    words = ["python", "-m", "ngf_core", config.kind]
    words += [config.source] if config.kind in SOURCES else []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name != "source" and (value != field.default or field.name == "layer"):
            values = value if isinstance(value, tuple) else (value,)
            words += ["--" + field.name.replace("_", "-"), *map(str, values)]
    return shlex.join(words)


# ---- what is done


def _job(options: argparse.Namespace) -> int:
    if options.kind == "purify" and options.parameters == "help":
        from ngf_core.purify.parameters import listed_parameters

        print(listed_parameters(options.methods))
        return 0
    store = default_store()
    config = _config(options, store)
    return _watch(jobs.start(config, store), options)


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


def _watch(run: Run, options: argparse.Namespace) -> int:
    """Follow a run to its end and print its results."""
    if options.detach:
        print(json.dumps({"id": run.id}) if options.json else run.id)
        return 0
    print(f"Run {run.id}", file=sys.stderr)
    try:
        _follow(run)
    except KeyboardInterrupt:
        print("\nStopping; the curves until now are kept.", file=sys.stderr)
        if run.live:
            jobs.cancel(run).join()
    state, message = run.status()
    if options.json:
        _print_json(_described(run))
    elif state == "done":
        print(results_table(run.results))
    if state != "done":
        print(message, file=sys.stderr)
    return 0 if state == "done" else 1


def _follow(run: Run) -> None:
    line, offset, live = _Line(), 0, True
    while live:
        live = run.live
        events, offset = run.events(offset)
        for event in events:
            if event["type"] == "progress":
                line.show(_progress(event))
            elif event["type"] == "state" and event["state"] == "queued":
                line.show(event["message"])
        if live:
            time.sleep(_LOOK)
    line.end()


def _progress(event: dict[str, Any]) -> str:
    eta = event["eta"]
    left = "" if eta is None else f", {eta:.0f} s left"
    return f"{event['done']}/{event['total']}  {event['text']}{left}"


class _Line:
    """One line of progress: rewritten on a terminal, a new one every ten seconds elsewhere."""

    def __init__(self) -> None:
        self._terminal, self._last, self._text = sys.stderr.isatty(), float("-inf"), ""

    def show(self, text: str) -> None:
        if self._terminal:
            width = (os.get_terminal_size(sys.stderr.fileno()).columns or 80) - 1
            print("\r" + text[:width].ljust(width), end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._last >= 10:
            print(text, file=sys.stderr, flush=True)
            self._last = time.monotonic()
        self._text = text

    def end(self) -> None:
        if self._terminal and self._text:
            print(file=sys.stderr)


def _list(options: argparse.Namespace) -> int:
    runs = default_store().list()
    if options.json:
        _print_json([_described(run) for run in runs])
    else:
        print(runs_table(runs))
    return 0


def _show(options: argparse.Namespace) -> int:
    run = default_store().get(options.id)
    if options.json:
        _print_json(_described(run))
        return 0
    state, message = run.status()
    print(f"{run.id}\n{state}{': ' + message if message else ''}\n{command_line(run.config)}")
    if run.results:
        print(results_table(run.results))
    return 0


def _cancel(options: argparse.Namespace) -> int:
    run = default_store().get(options.id)
    jobs.cancel(run).join()
    return _say(run, options, run.message or "Cancelled.")


def _restart(options: argparse.Namespace) -> int:
    store = default_store()
    return _watch(jobs.restart(store.get(options.id), store), options)


def _delete(options: argparse.Namespace) -> int:
    run = default_store().find(options.id)
    run.delete()
    return _say(run, options, f"Deleted run {run.id}.", gone=True)


def _say(run: Run, options: argparse.Namespace, sentence: str, gone: bool = False) -> int:
    if options.json:
        _print_json({"id": run.id, "deleted": True} if gone else _described(run))
    else:
        print(sentence)
    return 0


def _described(run: Run) -> dict[str, Any]:
    """The manifest with the state as it is now."""
    state, message = run.status()
    return run.manifest | {"state": state, "message": message}


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1))
