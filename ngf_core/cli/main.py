"""The command line: `ngf`, or `python -m ngf_core`."""

import argparse
import os
import sys
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn

from ngf_core import __version__
from ngf_core.cli import runs
from ngf_core.cli.job import add_job
from ngf_core.config import CONFIGS
from ngf_core.errors import NGFError

MODULE = "python -m ngf_core"
_INTRO = """\
Backdoor a model, purify it with NGF, and measure its curvature. For example:

  python -m ngf_core train --dataset signs --attack badnets
  python -m ngf_core purify latest --methods ngf sgd
  python -m ngf_core spectrum latest        (or: landscape latest)
  python -m ngf_core runs

Each job prints its run's id and continues if you close the terminal; Ctrl-C stops it.
`latest` is the newest finished run that fits. Runs are kept in ./runs, or where NGF_RUNS points.
"""

_MORE = {
    "app": ("ngf_core.cli.app", "Open the dashboard in a browser."),
    "zoo": ("ngf_core.cli.zoo", "Build the runs that ship with NGF Lab."),
    "data": ("ngf_core.cli.data", "List data sets, or download one."),
    "attacks": ("ngf_core.cli.attacks", "Check every attack, or write a poisoned set."),
    "audit": ("ngf_core.cli.audit", "Ask whether one model is flatter than another."),
    "inside": ("ngf_core.cli.inside", "Look inside the models of a run, with its trigger."),
    "compare": ("ngf_core.cli.compare", "Put runs beside one another, with their differences."),
    "export": ("ngf_core.cli.export", "Write a model of a run as a file, with a model card."),
    "bundle": ("ngf_core.cli.bundle", "Runs as one zip with a report and what repeats them."),
    "benchmark": ("ngf_core.cli.benchmark", "Compare all defenses on all attacks."),
    "sweep": ("ngf_core.cli.sweep", "Compute a grid of runs, here or on a Slurm cluster."),
}


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_layout, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message}. `{self.prog} --help` lists the options.\n")


def _layout(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=26, width=96)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 where all went well, 1 where a run did not finish, 2 for bad input and output
    that cannot be written, 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that knows no λ shows a ?
    try:
        try:
            return _run(sys.argv[1:] if arguments is None else arguments)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except NGFError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        _drop_output()  # the reader (head, less) has seen enough
        return 0
    except OSError as error:
        _drop_output()
        print(f"{error.filename or 'The output'} cannot be read or written ({error.strerror}).",
              file=sys.stderr)
        return 2


def _run(arguments: list[str]) -> int:
    parser = _parser(arguments)
    options, others = parser.parse_known_args(arguments or ["--help"])
    if others and arguments[0] != "app":
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    options.others = others
    return options.command(options)


def _drop_output() -> None:
    """Send what is left in stdout's buffer nowhere: else Python fails on it again at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    called = "ngf" if Path(sys.argv[0]).stem == "ngf" else MODULE
    parser = _Parser(prog=called, description=_INTRO.replace(MODULE, called))
    parser.add_argument("--version", action="version", version=f"NGF Lab {__version__}",
                        help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for kind, config in CONFIGS.items():
        if kind not in _MORE:
            add_job(commands, kind, config)
    for name, (module, help_text) in _MORE.items():
        # Their modules import torch, so only the requested one is loaded.
        parser_of = commands.add_parser(name, help=help_text, description=help_text)
        if arguments[:1] == [name]:
            more = import_module(module)
            more.add_arguments(parser_of)
            parser_of.set_defaults(command=more.run)
    runs.add_arguments(commands)
    return parser
