"""Where the tasks of a command are computed, as its options; and what they cost, before."""

import argparse
import dataclasses

from ngf_core.cli.job import add_option
from ngf_core.launch.launcher import Launcher
from ngf_core.launch.settings import LaunchSettings
from ngf_core.sweep.plan import Plan, refuse


def add_launch(parser: argparse.ArgumentParser) -> None:
    """An option for each launch setting, and --dry-run."""
    parser.add_argument("--dry-run", action="store_true", help="say what it costs, and stop")
    for field in dataclasses.fields(LaunchSettings):
        add_option(parser, field)


def launch_of(arguments: argparse.Namespace) -> LaunchSettings:
    """The settings given. Raises ConfigError for one that cannot be used."""
    launch = LaunchSettings(**{field.name: getattr(arguments, field.name)
                               for field in dataclasses.fields(LaunchSettings)})
    launch.check()
    return launch


def say(planned: Plan, launcher: Launcher) -> None:
    """Print what is to be computed and what it costs. Raises NGFError where that cannot fit."""
    for sentence in planned.sentences():
        print(sentence, flush=True)
    refuse(planned, launcher)
