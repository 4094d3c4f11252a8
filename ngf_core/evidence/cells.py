"""The cells of the benchmark: one run per attack, entrant and seed, computed once and kept.

A cell is an ordinary run, so that it can be opened like any other. `ngf_core.sweep.worker` computes
it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ngf_core.attacks.attack import attack_class
from ngf_core.config import PurifyConfig, TrainConfig, config_sha
from ngf_core.errors import NGFError, RunError
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.execute.standing import is_current
from ngf_core.runs import Run, RunStore
from ngf_core.runs.lineage import weights_sha
from ngf_core.runs.names import model_name


@dataclass(frozen=True)
class Cell:
    """One model to compute: trained where `entrant` is "", else purified by that entrant.

    limit: training images per class, 0 for all; epochs: of training. Both are for networks that
    would take hours otherwise.
    """

    dataset: str
    arch: str
    attack: str
    seed: int
    entrant: str = ""
    limit: int = TrainConfig.limit
    epochs: int = TrainConfig.epochs

    @property
    def model(self) -> str:
        """The part of the run's name that all runs on this trained model share."""
        whole = model_name(self.dataset, self.arch, self.attack, self.seed)
        return whole + self._shortened

    @property
    def _shortened(self) -> str:
        """"-n500-e10" where the model is trained on fewer images or for other epochs than usual."""
        limit = "" if self.limit == TrainConfig.limit else f"-n{self.limit}"
        return limit + ("" if self.epochs == TrainConfig.epochs else f"-e{self.epochs}")

    @property
    def run_id(self) -> str:
        """signs-badnets-s0-train, signs-badnets-s0-ngf."""
        return f"{self.model}-{self.entrant or 'train'}"

    def config(self, store: RunStore) -> TrainConfig | PurifyConfig:
        """The config of its run.

        Raises RunError where it takes the layer of another entrant whose run is not in `store`.
        """
        layer_of = ENTRANTS[self.entrant].layer_of if self.entrant else ""
        if not layer_of:
            return self.asked()
        chosen = store.get(f"{self.model}-{layer_of}").results.get("layer")
        if chosen is None:
            raise RunError(f"Run {self.model}-{layer_of} has chosen no layer yet. Wait for it.")
        return self.asked(chosen)

    def asked(self, layer: str | None = None) -> TrainConfig | PurifyConfig:
        """The same, given the `layer` that the entrant takes over, if it takes one over."""
        if self.entrant:
            return ENTRANTS[self.entrant].config(f"{self.model}-train", self.seed, layer)
        return TrainConfig(dataset=self.dataset, arch=self.arch, attack=self.attack, seed=self.seed,
                           limit=self.limit, epochs=self.epochs)

    def settings(self, layer: str | None = None) -> str:
        """A hash of `asked`, and of the values of the attack's strength where a model is trained.
        """
        config = self.asked(layer)
        hashed: list[Any] = [config_sha(config)]
        if isinstance(config, TrainConfig) and config.attack != "none":
            hashed += sorted(attack_class(config.attack).strengths[config.strength].items())
        return settings_hash(hashed)


def settings_hash(hashed: list[Any]) -> str:
    """The hash by which the tables recognise that a row's settings are the current ones."""
    return hashlib.sha256(repr(hashed).encode()).hexdigest()[:16]


def weights_of(run: Run, model: str) -> str:
    """A short hash of the weights of one of a run's models."""
    return weights_sha(run, model)[:16]


def cells(dataset: str, arch: str, attacks: Sequence[str], entrants: Sequence[str],
          seeds: Sequence[int], limit: int = TrainConfig.limit, epochs: int = TrainConfig.epochs
          ) -> Iterator[Cell]:
    """All cells, each once, seed by seed, so that a stopped benchmark has complete seeds; training
    first."""
    for seed in dict.fromkeys(seeds):
        for attack in dict.fromkeys(("none", *attacks)):
            yield Cell(dataset, arch, attack, seed, "", limit, epochs)
        for entrant in entrants:
            for attack in dict.fromkeys(attacks):
                yield Cell(dataset, arch, attack, seed, entrant, limit, epochs)


def finished(cell: Cell, store: RunStore) -> Run | None:
    """The cell's run where it exists, is done, has the current settings and all its files; else
    None. Raises RunError where the disk does not let that be read: the run may well be fine."""
    try:
        run = store.get(cell.run_id)
        fine = (run.state == "done" and run.config == cell.config(store) and is_current(run)
                and not run.missing())
    except (NGFError, FileNotFoundError):
        return None
    except OSError as error:
        raise RunError(f"{store.root / cell.run_id} cannot be read now ({error.strerror}). Try "
                       "again once it can.") from error
    return run if fine else None
