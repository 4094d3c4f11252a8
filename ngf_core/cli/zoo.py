"""`zoo`: build the runs that ship with NGF Lab, and check them."""

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout

from ngf_core.attacks import ATTACKS
from ngf_core.cli.lists import add_list
from ngf_core.cli.tables import print_json
from ngf_core.config import TrainConfig
from ngf_core.data import DATASETS
from ngf_core.data.dataset import find_source
from ngf_core.errors import RunError
from ngf_core.execute.standing import FINE, MISSING, OTHER, STALE, UNFINISHED, Standing, standing
from ngf_core.execute.zoo import KINDS, build, runs_on
from ngf_core.models import ARCHITECTURES
from ngf_core.runs import RunStore, default_store
from ngf_core.runs.names import ZOO_ARCH
from ngf_core.text_table import aligned

BUILD = """\
Train a benign network and a backdoored one per attack, let NGF, SGD and full fine-tuning race on
each, measure spectra and landscapes, and map the layers. The same command built assets/zoo. A build
that was stopped resumes where it stopped.
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


def run(arguments: argparse.Namespace) -> int:
    """Build or check the zoo; 0 when it is complete, 1 where a run failed or is not as expected.

    Raises ConfigError where the data set to build on is missing.
    """
    return _check(arguments) if arguments.action == "check" else _build(arguments)


def _trainings(arguments: argparse.Namespace) -> Iterator[TrainConfig]:
    """The settings of every model."""
    for dataset in arguments.datasets:
        for seed in arguments.seeds:
            for attack in arguments.attacks:
                yield TrainConfig(dataset=dataset, attack=attack, seed=seed, arch=arguments.arch,
                                  epochs=arguments.epochs, root=arguments.root,
                                  limit=arguments.limit, size=arguments.size)


def _build(arguments: argparse.Namespace) -> int:
    for dataset in arguments.datasets:
        if not DATASETS[dataset].embedded:
            find_source(dataset, arguments.root)  # else each of its runs would fail
    store = RunStore(arguments.out)
    store.prepare()
    lock = FileLock(store.root / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(f"Another build is writing into {arguments.out}. Wait until it is done, "
                       "or name another folder with --out.") from None
    with lock:
        built = [build(store, train, arguments.kinds) for train in _trainings(arguments)]
    return int(not all(built))


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
