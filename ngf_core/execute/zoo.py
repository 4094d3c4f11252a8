"""The zoo: finished runs that ship with NGF Lab, so that the first page has something to show."""

import shutil
import sys
from collections.abc import Sequence

from ngf_core.config import (
    Config,
    LandscapeConfig,
    LayersConfig,
    PurifyConfig,
    SpectrumConfig,
    TrainConfig,
)
from ngf_core.errors import RunError
from ngf_core.evaluate.rates import Evaluation
from ngf_core.execute.slim import slim
from ngf_core.execute.standing import FINE, OTHER, standing
from ngf_core.execute.worker import work
from ngf_core.purify.settings import NGF, SGD, FineTuning
from ngf_core.runs import Run, RunStore
from ngf_core.runs.attack_check import verdict
from ngf_core.runs.manifest import CORRUPT
from ngf_core.runs.names import model_name

# What is made of each model, in an order in which each run follows the one it starts from.
KINDS = ("train", "race", "spectrum", "landscape", "layers")
# A layer map's updates of each method at each layer; half of a race's, since it tunes them all.
MAP_STEPS = 50
# The benchmark's batch, and half as many evaluations, which take the larger part of a race's time.
BATCH, EVALUATIONS = 128, 10
# A landscape's planes, and its points along a side, interpolated within the bound it states.
PLANES, GRID = ("random", "path", "models"), 31
# Files that only concern the machine that built a run, or can be rebuilt from the others.
NOT_SHIPPED = ("log.txt", ".manifest.lock", ".krylov-*", ".part-*")


def runs_on(train: TrainConfig, kinds: Sequence[str] = KINDS) -> dict[str, Config]:
    """The settings of one model's runs by id, each after the one that it starts from.

    All settings are the defaults, but for a race's batch and evaluations, a landscape's planes and
    grid, and a layer map's steps.
    """
    name = run_name(train)
    trained, raced = f"{name}-train", f"{name}-race"
    configs: dict[str, Config] = {
        "train": train,
        "race": PurifyConfig(source=trained, seed=train.seed, methods=(NGF(), SGD(), FineTuning()),
                             batch_size=BATCH, evaluations=EVALUATIONS),
        "spectrum": SpectrumConfig(source=raced),
        "landscape": LandscapeConfig(source=raced, planes=PLANES, grid=GRID, mode="preview"),
        "layers": LayersConfig(source=trained, seed=train.seed, steps=MAP_STEPS)}
    return {f"{name}-{kind}": configs[kind] for kind in KINDS if kind in kinds}


def run_name(train: TrainConfig) -> str:
    """The part of the runs' names that all runs on one model share."""
    return model_name(train.dataset, train.arch, train.attack, train.seed)


def is_there(store: RunStore, run_id: str, config: Config) -> bool:
    """Whether the run is there, finished and of today. Raises RunError where a finished run of that
    id has another config, since it may still be needed."""
    there = standing(store, run_id, config)
    if there.state == OTHER:
        raise RunError(f"{store.root / run_id} is a finished run with other settings. Delete it, "
                       "or name another folder with --out.")
    return there.state == FINE


def make(store: RunStore, run_id: str, config: Config) -> Run:
    """The finished run of that id and config: the existing one, or a new one computed here.

    One that is stale or unfinished is computed again, `beside` and then `settled`. Raises RunError
    as `is_there` and where a stale one is kept since the new one failed, and KeyboardInterrupt
    where the computation was cancelled.
    """
    if is_there(store, run_id, config):
        return store.get(run_id)
    at_work = beside(store, run_id, config)
    shutil.rmtree(at_work.root, ignore_errors=True)
    try:
        made = at_work.create(config, run_id)
        print(f"{run_id} ...", end=" ", flush=True)
        work(made, store)
        made = settled(made, at_work, store)
        told(made, store)
        if made.state == "cancelled":
            raise KeyboardInterrupt
        if made.path.parent != store.root:
            raise RunError(f"{run_id} is {made.state}: {made.message} The finished run that it "
                           "was to replace is kept.")
    finally:
        shutil.rmtree(at_work.root, ignore_errors=True)
    return made


def source_of(config: Config) -> tuple[str, ...]:
    """The id of the run that one of these settings starts from; none for a training."""
    source = getattr(config, "source", None)
    return (source,) if source else ()


def beside(store: RunStore, run_id: str, config: Config) -> RunStore:
    """A folder in which the run can be computed while others still start from the one that is to be
    replaced. It finds the run's source."""
    sources = [store.find(source).path.parent for source in source_of(config)]
    return RunStore(store.root / f".at-work-{run_id}", *sources)


def taken_up(run_id: str, at_work: RunStore, store: RunStore) -> None:
    """Put a run that ended before it was done, and was moved to its place, back to work: it may go
    on where it stopped."""
    place, back = Run(store.root / run_id), at_work.root / run_id
    if place.path.exists() and not back.exists() and not place.live \
            and place.state not in ("done", CORRUPT):
        at_work.prepare()
        place.path.rename(back)


def settled(made: Run, at_work: RunStore, store: RunStore) -> Run:
    """The run made slim and moved to its place in `store`, so that what others start from never
    changes. One that is not done stays at work where it would replace a finished one."""
    if made.state == "done":
        for name in NOT_SHIPPED:
            for path in made.path.glob(name):
                path.unlink()
        slim(made, at_work, store.root)
    elif Run(store.root / made.id).state == "done":
        return made
    shutil.rmtree(store.root / made.id, ignore_errors=True)
    return Run(made.path.rename(store.root / made.id))


def told(made: Run, store: RunStore) -> None:
    """Print the results; why there are none, or what is wrong with them, on stderr."""
    print(summary(made), flush=True)
    if made.state != "done":
        print(made.message, file=sys.stderr)
    warning = verdict(made, store) if made.kind == "train" else None
    if warning:
        print(f"{made.id}: {warning}", file=sys.stderr)


def summary(made: Run) -> str:
    """One line with the results."""
    if made.state != "done":
        return made.state
    parts = []
    for name, value in made.results.items():
        if isinstance(value, dict) and "acc" in value:
            rates = [f"{key.upper()} {rate.percent()}"
                     for key, rate in Evaluation.from_json(value).rates().items()]
            parts.append(f"{name}: {' '.join(rates)}")
        elif isinstance(value, dict) and "lambda_max" in value:
            parts.append(f"{name}: lambda_max {value['lambda_max']:.1f}, "
                         f"trace {value['trace']:.0f}")
    return "; ".join(parts) or "done"
