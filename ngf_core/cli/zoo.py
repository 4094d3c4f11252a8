"""`zoo`: build the runs that ship with NGF Lab.

`python -m ngf_core zoo build` trains a benign network and a backdoored one per attack, lets NGF,
SGD and full fine-tuning race on each, measures spectra and landscapes, and maps the layers. The
same command built assets/zoo. A build that was stopped resumes where it stopped.
"""

import argparse
from pathlib import Path

from filelock import FileLock, Timeout

from ngf_core.attacks import ATTACKS
from ngf_core.config import TrainConfig
from ngf_core.data import DATASETS
from ngf_core.data.dataset import find_source
from ngf_core.errors import RunError
from ngf_core.execute.zoo import KINDS, build
from ngf_core.models import ARCHITECTURES
from ngf_core.runs import RunStore, default_store
from ngf_core.runs.names import ZOO_ARCH


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `python -m ngf_core zoo`."""
    actions = parser.add_subparsers(dest="action", required=True)
    builder = actions.add_parser(
        "build", help="train, purify and measure the models that ship with NGF Lab",
        description=__doc__)
    builder.add_argument("--dataset", nargs="+", choices=tuple(DATASETS), default=["signs"],
                         help="data sets (default: signs)")
    builder.add_argument("--attack", nargs="+", choices=("none", *ATTACKS),
                         default=["none", *ATTACKS], help="attacks; none is the benign model "
                         "(default: all)")
    builder.add_argument("--seed", nargs="+", type=int, default=[0], help="seeds (default: 0)")
    builder.add_argument("--arch", choices=tuple(ARCHITECTURES), default=ZOO_ARCH,
                         help="architecture (default: %(default)s)")
    builder.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS),
                         help="runs to make of each model (default: all)")
    for name in ("root", "limit", "size"):
        field = TrainConfig.__dataclass_fields__[name]
        builder.add_argument(f"--{name}", type=field.type, default=field.default,
                             help=field.metadata["help"])
    builder.add_argument("--epochs", type=int, default=TrainConfig.epochs,
                         help="training epochs (default: %(default)s)")
    builder.add_argument("--out", type=Path, default=default_store().shipped,
                         help="folder for the runs (default: assets/zoo)")


def run(arguments: argparse.Namespace) -> int:
    """Build the zoo; 0 when it is complete, 1 where a run failed.

    Raises ConfigError where a data set is missing.
    """
    for dataset in arguments.dataset:
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
    lock.release()
    failed = 0
    for dataset in arguments.dataset:
        for seed in arguments.seed:
            for attack in arguments.attack:
                failed += not build(store, TrainConfig(
                    dataset=dataset, attack=attack, seed=seed, arch=arguments.arch,
                    epochs=arguments.epochs, root=arguments.root, limit=arguments.limit,
                    size=arguments.size), arguments.kinds)
    return int(failed > 0)
