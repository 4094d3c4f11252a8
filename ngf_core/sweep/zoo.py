"""The zoo's runs as tasks of a launcher."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ngf_core.config import Config, TrainConfig, to_json
from ngf_core.execute.zoo import KINDS, is_there, runs_on, source_of
from ngf_core.launch.launcher import Command, Task
from ngf_core.launch.logs import log_of
from ngf_core.runs import RunStore

WORKER = (sys.executable, "-m", "ngf_core.sweep.zoo_worker")
DEPTHS = {"train": 0, "race": 1, "layers": 1}  # those of all other kinds start from a race


@dataclass(frozen=True)
class ZooRun:
    """A run to make: its id and config, and how the model behind it is trained."""

    run_id: str
    config: Config
    train: TrainConfig

    @property
    def depth(self) -> int:
        """How many runs have to precede it."""
        return DEPTHS.get(self.run_id.rpartition("-")[2], 2)

    def task(self, store: RunStore, folder: Path) -> Task:
        """What computes it; `folder` is where submissions are kept."""
        words = (*WORKER, str(store.root), self.run_id, json.dumps(to_json(self.config)))
        return Task(self.run_id, Command(words, log_of(folder, self.run_id)),
                    source_of(self.config))


def to_make(store: RunStore, trainings: Iterable[TrainConfig], kinds: Sequence[str] = KINDS
            ) -> list[list[ZooRun]]:
    """The runs on these models that are missing, unfinished or stale, and those that start from
    one of them: each stage starts from those before. Raises RunError for one of other settings."""
    stages: list[list[ZooRun]] = [[], [], []]
    for train in trainings:
        made: set[str] = set()
        for run_id, config in runs_on(train, kinds).items():
            if not is_there(store, run_id, config) or made & set(source_of(config)):
                made.add(run_id)
                one = ZooRun(run_id, config, train)
                stages[one.depth].append(one)
    return stages
