"""`zoo`: build the runs that ship with NGF Lab, and check them."""

import argparse
import signal
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from ngf_core.attacks import ATTACKS
from ngf_core.cli.launching import add_launch, launch_of, say
from ngf_core.cli.lists import add_list
from ngf_core.cli.tables import print_json
from ngf_core.config import TrainConfig, validate
from ngf_core.data import DATASETS
from ngf_core.data.dataset import find_source
from ngf_core.execute.cost import estimate
from ngf_core.execute.standing import FINE, MISSING, OTHER, STALE, UNFINISHED, Standing, standing
from ngf_core.execute.zoo import KINDS, is_there, runs_on, told
from ngf_core.launch.carrying_out import carry_out
from ngf_core.launch.opened import opened
from ngf_core.models import ARCHITECTURES
from ngf_core.runs import ManifestReadings, RunStore, StoreSnapshot, default_store
from ngf_core.runs.names import ZOO_ARCH
from ngf_core.sweep.plan import Plan, plan_of
from ngf_core.sweep.sweep import HIDDEN
from ngf_core.sweep.zoo import ZooRun, to_make
from ngf_core.text_table import aligned

BUILD = """\
Train a benign network and a backdoored one per attack, let NGF, SGD and full fine-tuning race on
each, measure spectra and landscapes, and map the layers. The same command built assets/zoo. A build
that was stopped goes on where it stopped. On a Slurm cluster each run is a job, for which the
command waits; docs/cluster.md has an example.
"""
CHECK = """\
List the runs that `zoo build` with the same options would make: which are missing or unfinished,
which have other settings, and which are stale: made by another engine, with other parameters of the
attack than today's, or before the run they start from.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `python -m ngf_core zoo`."""
    actions = parser.add_subparsers(dest="action", required=True)
    builder = actions.add_parser("build", description=BUILD, help="train, purify and measure the "
                                 "models that ship with NGF Lab")
    checker = actions.add_parser("check", description=CHECK, help="tell which of these runs are "
                                 "missing or out of date")
    checker.add_argument("--json", action="store_true", help="print as JSON")
    for action in (builder, checker):
        add_list(action, "datasets", choices=tuple(DATASETS), default=["signs"],
                 help="data sets (default: signs)")
        add_list(action, "attacks", choices=("none", *ATTACKS), default=["none", *ATTACKS],
                 help="attacks; none is the benign model (default: all)")
        add_list(action, "seeds", type=int, default=[0], help="seeds (default: 0)")
        action.add_argument("--arch", choices=tuple(ARCHITECTURES), default=ZOO_ARCH,
                            help="architecture (default: %(default)s)")
        add_list(action, "kinds", choices=KINDS, default=list(KINDS),
                 help="runs on each model (default: all)")
        for name in ("root", "limit", "size"):
            field = TrainConfig.__dataclass_fields__[name]
            action.add_argument(f"--{name}", type=field.type, default=field.default,
                                help=field.metadata["help"])
        action.add_argument("--epochs", type=int, default=TrainConfig.epochs,
                            help="training epochs (default: %(default)s)")
        action.add_argument("--out", type=Path, default=default_store().shipped,
                            help="folder of the runs (default: assets/zoo)")
    add_launch(builder)


def run(arguments: argparse.Namespace) -> int:
    """Build or check the zoo; 0 when it is complete, 1 where a run failed or is not as expected.

    Raises ConfigError where the data set to build on is missing.
    """
    return _check(arguments) if arguments.action == "check" else _build(arguments)


def _trainings(arguments: argparse.Namespace) -> list[TrainConfig]:
    """The settings of every model."""
    return [TrainConfig(dataset=dataset, attack=attack, seed=seed, arch=arguments.arch,
                        epochs=arguments.epochs, root=arguments.root, limit=arguments.limit,
                        size=arguments.size)
            for dataset in arguments.datasets for seed in arguments.seeds
            for attack in arguments.attacks]


def _build(arguments: argparse.Namespace) -> int:
    launch = launch_of(arguments)
    for dataset in arguments.datasets:
        if not DATASETS[dataset].embedded:
            find_source(dataset, arguments.root)  # else each of its runs would fail
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    launcher, trainings = opened(launch), _trainings(arguments)
    for train in trainings:
        validate(train)
    store = RunStore(arguments.out.absolute())
    if not arguments.dry_run:
        store.prepare()
    folder = store.root / HIDDEN
    stages = to_make(store, trainings, arguments.kinds)
    runs = {one.run_id: one for stage in stages for one in stage}
    of_all = sum(len(runs_on(train, arguments.kinds)) for train in trainings)
    say(_plan(list(runs.values()), of_all, store, launch.cores), launcher)
    if arguments.dry_run:
        return 0
    failed = carry_out([[one.task(store, folder) for one in stage] for stage in stages],
                       lambda task: is_there(store, task.name, runs[task.name].config),
                       launcher, folder)
    for name in runs:
        if name in failed:
            print(f"{name}: {failed[name]}", file=sys.stderr)
        else:
            print(f"{name}:", end=" ")
            told(store.get(name), store)
    return int(bool(failed))


def _plan(missing: list[ZooRun], of_all: int, store: RunStore, cores: int) -> Plan:
    now = StoreSnapshot(store, ManifestReadings())
    costs = [(one.depth == 0, estimate(one.config, now, one.train, cores)) for one in missing]
    return plan_of(costs, done=of_all - len(missing), submitted=0, cores=cores, folder=store.root)


def _check(arguments: argparse.Namespace) -> int:
    trainings, store = list(_trainings(arguments)), RunStore(arguments.out)
    found = [standing(store, run_id, config) for train in trainings
             for run_id, config in runs_on(train, arguments.kinds).items()]
    if arguments.json:
        print_json([asdict(one) for one in found])
    else:
        print(aligned([["run", "state", "why"]] + [[one.run_id, one.state, one.why]
                                                  for one in found]))
        print(_total(len(trainings), found))
    return int(any(one.state != FINE for one in found))


def _total(models: int, found: list[Standing]) -> str:
    of = Counter(one.state for one in found)
    return (f"{models} model{'s' * (models != 1)}, {of[MISSING]} missing, {of[UNFINISHED]} "
            f"unfinished, {of[OTHER]} with other settings, {of[STALE]} stale")
