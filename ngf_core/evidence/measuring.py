"""The sharpness of the benchmark's models, each measured by a worker of its own:
`python -m ngf_core.evidence.measuring FOLDER RUN MODEL LAYER...`, "" for all parameters.
"""

import hashlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ngf_core.errors import NGFError
from ngf_core.evidence import sharpness
from ngf_core.execute.worker import limit_memory
from ngf_core.launch.carrying_out import carry_out
from ngf_core.launch.launcher import Command, Launcher, Task
from ngf_core.launch.logs import log_of
from ngf_core.runs import RunStore

WORKER = (sys.executable, "-m", "ngf_core.evidence.measuring")
Reading = tuple[str, str, str]  # run, model, layer: what one call of `sharpness.measured` reads


@dataclass(frozen=True)
class Measurement:
    """One model of a run, over each of these layers."""

    run_id: str
    model: str
    layers: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of its task: another one where there are other layers."""
        sha = hashlib.sha256(repr(self.layers).encode()).hexdigest()
        return f"{self.run_id}.{self.model}.{sha[:8]}"

    def is_done(self, store: RunStore) -> bool:
        """Whether all figures are kept."""
        return all(sharpness.kept_file(store, self.run_id, self.model, layer).exists()
                   for layer in self.layers)

    def task(self, store: RunStore, folder: Path) -> Task:
        """What measures it; `folder` is where submissions are kept."""
        words = (*WORKER, str(store.root), self.run_id, self.model, *self.layers)
        return Task(self.name, Command(words, log_of(folder, self.name)))


def by_model(readings: Iterable[Reading]) -> list[Measurement]:
    """The readings, those of one model together."""
    layers: dict[tuple[str, str], list[str]] = {}
    for run_id, model, layer in readings:
        layers.setdefault((run_id, model), []).append(layer)
    return [Measurement(*model, tuple(each)) for model, each in layers.items()]


def measure_all(readings: Iterable[Reading], store: RunStore, launcher: Launcher, folder: Path
                ) -> dict[str, str]:
    """Have the workers of `launcher` make these readings; why one was not made, by its name."""
    wanted = {one.name: one for one in by_model(readings)}
    return carry_out([[one.task(store, folder) for one in wanted.values()]],
                     lambda task: wanted[task.name].is_done(store), launcher, folder)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 where all was measured, 1 where something was not, with the reason on stderr."""
    folder, run_id, model, *layers = sys.argv[1:] if arguments is None else arguments
    limit_memory()
    try:
        for layer in layers:
            sharpness.measured(run_id, model, layer, Path(folder))
    except NGFError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
