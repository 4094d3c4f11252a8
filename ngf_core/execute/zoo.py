"""The zoo: finished runs that ship with NGF Lab, so that the first page has something to show."""

import shutil
import sys

from ngf_core.attacks.attack import attack_class, changes_from
from ngf_core.config import (
    Config,
    LandscapeConfig,
    PurifyConfig,
    SpectrumConfig,
    TrainConfig,
)
from ngf_core.errors import NGFError, RunError
from ngf_core.evaluate.rates import Evaluation
from ngf_core.execute.worker import work
from ngf_core.purify import NGF, SGD, FineTuning
from ngf_core.runs import Run, RunStore

# Files that only concern the machine that built a run, or can be rebuilt from the others.
NOT_SHIPPED = ("log.txt", ".manifest.lock", ".krylov-*")


def build(store: RunStore, train: TrainConfig) -> bool:
    """One model's four runs, each computed only if it is missing; False where one failed."""
    name = run_name(train)
    race = PurifyConfig(source=f"{name}-train", seed=train.seed,
                        methods=(NGF(), SGD(), FineTuning()))
    chain: dict[str, Config] = {
        f"{name}-train": train, f"{name}-race": race,
        f"{name}-spectrum": SpectrumConfig(source=f"{name}-race"),
        f"{name}-landscape": LandscapeConfig(source=f"{name}-race")}
    return all(make(store, run_id, config).state == "done" for run_id, config in chain.items())


def run_name(train: TrainConfig) -> str:
    """The part of the runs' names that all runs on one model share."""
    arch = "" if train.arch == TrainConfig.arch else f"-{train.arch}"
    return f"{train.dataset}{arch}-{train.attack}-s{train.seed}"


def make(store: RunStore, run_id: str, config: Config) -> Run:
    """The finished run of that id and config: the existing one, or a new one computed here.

    A training whose strength meant other parameters is computed again. Raises RunError where a
    finished run of that id has another config, since it may still be needed.
    """
    try:
        there = store.get(run_id)
    except NGFError:
        there = None  # absent or broken: computed again
    if there is not None and there.state == "done":
        if there.config != config:
            raise RunError(f"{there.path} is a finished run with other settings. Delete it, or "
                           "name another folder with --out.")
        if is_current(there):
            return there
    shutil.rmtree(store.root / run_id, ignore_errors=True)
    made = store.create(config, run_id)
    print(f"{run_id} ...", end=" ", flush=True)
    work(made, store)
    for name in NOT_SHIPPED:
        for path in made.path.glob(name):
            path.unlink()
    print(summary(made), flush=True)
    if made.state != "done":
        print(made.message, file=sys.stderr)
    return made


def is_current(there: Run) -> bool:
    """Whether the attack's strength still means the parameters that a training run had."""
    config, had = there.config, there.results.get("parameters")
    if not isinstance(config, TrainConfig) or not had:
        return True
    means = attack_class(config.attack).strengths[config.strength]
    return had == means | changes_from(config.parameters)


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
