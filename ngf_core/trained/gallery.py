"""An attack's images, how visible its trigger is, and what trained models predict for them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ngf_core.attacks.attack import Attack, attack_class, changes_from
from ngf_core.attacks.visibility import Quality, quality
from ngf_core.config import ModelConfig, TrainConfig
from ngf_core.config.imported import as_training
from ngf_core.data import DATASETS
from ngf_core.data.dataset import Dataset
from ngf_core.errors import ConfigError, NGFError
from ngf_core.evaluate.rates import Rate
from ngf_core.runs import Run, RunStore
from ngf_core.runs.lineage import recorded_training
from ngf_core.trained.load import attack_of, dataset_of, learned_attack

SHOWN, MEASURED = 8, 32
LOOKED_AT = 2000


@dataclass(frozen=True)
class Gallery:
    """Test images that the attack would change, without and with its trigger.

    clean, triggered: uint8 (n, C, H, W); labels and wanted (the attacker's): int64 (n,). The first
    `shown` are those to display, one per class as far as there are any; `quality` is measured
    on all n. `idle` names the changed parameters that leave the shown images as they are. Before
    the attack has learned its trigger for these parameters, `missing` describes what it has to
    learn, and triggered and quality are None, as they are before a trigger is painted.
    """

    clean: NDArray[np.uint8]
    labels: NDArray[np.int64]
    wanted: NDArray[np.int64]
    class_names: tuple[str, ...]
    shown: int
    missing: str = ""
    triggered: NDArray[np.uint8] | None = None
    quality: Quality | None = None
    idle: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answers:
    """A model's answers for images: labels (n,) and their probabilities (n,)."""

    labels: NDArray[np.int64]
    confidence: NDArray[np.float32]

    def agreeing(self, labels: NDArray[np.int64]) -> Rate:
        """How many of the answers equal these labels."""
        return Rate(int((self.labels == labels).sum()), len(labels))


def glance(config: TrainConfig) -> TrainConfig:
    """The config with so few images per class that a set on disk is shown without delay.

    Decoding all of a large set takes minutes, which only training should need.
    """
    entry = DATASETS[config.dataset]
    if entry.embedded:
        return config
    few = max(2, LOOKED_AT // (entry.classes or 100))
    return replace(config, limit=min(config.limit or few, few))


def gallery(config: TrainConfig, run: Run | None = None) -> Gallery:
    """The images of the attack in `config`; depends on nothing else.

    `run` holds what the attack has learned. Of a set on disk only a part is read (`glance`).
    Raises ConfigError for an invalid config, and where the attack changes none of the test images.
    """
    dataset = dataset_of(glance(config))
    attack = learned(config, dataset, run)
    attack.check_victims(dataset.test.y)
    test = dataset.test.take(chosen(attack, dataset.test.y))
    plain = Gallery(test.x.numpy(), test.y.numpy(), attack.target_labels(test.y).numpy(),
                    dataset.class_names, min(SHOWN, len(test)))
    triggered = stamp(attack, test.x, config, run)
    if triggered is None:
        return replace(plain, missing=attack.learns)
    few, stamped = test.x[:SHOWN], triggered[:SHOWN]
    usual = attack.strengths[attack.strength]
    idle = tuple(name for name, value in attack.changes.items() if value != usual.get(name)
                 and _same(stamp(_without(attack, name), few, config, run), stamped))
    return replace(plain, triggered=triggered.numpy(), idle=idle,
                   quality=quality(plain.clean, triggered.numpy()))


def triggered(config: TrainConfig, images: NDArray[np.uint8], run: Run | None = None
              ) -> NDArray[np.uint8] | None:
    """Any images of the data set's shape with the trigger; None before it is learned."""
    attack = learned(config, dataset_of(glance(config)), run)
    stamped = stamp(attack, torch.from_numpy(images), config, run)
    return None if stamped is None else stamped.numpy()


def learned(config: TrainConfig, dataset: Dataset, run: Run | None) -> Attack:
    """The attack of a config, with what it learned in `run` if there is one."""
    attack = attack_of(config, dataset)
    if attack is None:
        raise ConfigError("attack", "a benign model has no trigger", "Name an attack.")
    return attack if run is None else learned_attack(attack, run)


def chosen(attack: Attack, labels: Tensor) -> Tensor:
    """Indices of the first image of each class that the attack would change, then of the first
    others, `MEASURED` at most: fixed by the data alone, so that none is hand-picked."""
    usable = attack.victims(labels).nonzero().flatten().tolist()
    seen: dict[int, int] = {}
    for index in usable:
        seen.setdefault(int(labels[index]), index)
    first = [seen[label] for label in sorted(seen)][:SHOWN]
    others = [index for index in usable if index not in first]
    return torch.tensor((first + others)[:MEASURED])


def stamp(attack: Attack, x: Tensor, config: TrainConfig, run: Run | None) -> Tensor | None:
    """The triggered images. None before the attack has learned its trigger, and where it learned
    it in `run` with parameters that the ones of `config` do not fit."""
    if not attack.ready:
        return None
    try:
        return attack.trigger(x)
    except (RuntimeError, ValueError, KeyError, IndexError):
        made = None if run is None else recorded_training(run.manifest)
        if made is None or parameters(made) == parameters(config):
            raise
        return None


def _same(one: Tensor | None, other: Tensor) -> bool:
    return one is not None and torch.equal(one, other)


def _without(attack: Attack, name: str) -> Attack:
    return replace(attack, changes={n: value for n, value in attack.changes.items() if n != name})


@dataclass(frozen=True)
class Models:
    """The runs whose models are shown: a backdoored and a benign one, where they exist."""

    backdoored: Run | None
    benign: Run | None


def find_models(config: TrainConfig, store: RunStore, held: Run | None = None) -> Models:
    """The finished runs that show best what the attack does to images of its data set.

    Backdoored: of this data set and attack; first `held`, then those with the same parameters, then
    those of the same strength, then the user's own before shipped ones, then the newest. Benign: of
    the same images, first `held`, then those of the backdoored model's architecture and seed.
    `held` may be any run that holds a model: an import, or a purification of one.
    """
    done = [run for run in store.list("train") if run.state == "done"]
    every: list[tuple[Run, ModelConfig]] = [(run, run.config_as(TrainConfig)) for run in done
                                            if run != held]
    kept = None if held is None else recorded_training(held.manifest)
    if held is not None and kept is not None:
        every.insert(0, (held, kept))
    made = [(run, its) for run, its in every if its.dataset == config.dataset]
    # sorted keeps the store's order, newest first, among equals.
    attacked = sorted((pair for pair in made if pair[1].attack == config.attack), key=lambda pair: (
        pair[0] != held, parameters(pair[1]) != parameters(config),
        pair[1].strength != config.strength, pair[0].shipped))
    like = attacked[0][1] if attacked else config
    benign = sorted((pair for pair in made if pair[1].attack == "none"
                     and (pair[1].root, pair[1].size) == (like.root, like.size)),
                    key=lambda pair: (pair[0] != held, pair[1].arch != like.arch,
                                      pair[1].limit != like.limit, pair[1].seed != like.seed,
                                      pair[0].shipped))
    return Models(attacked[0][0] if attacked else None, benign[0][0] if benign else None)


def as_trained(config: TrainConfig, run: Run | None) -> TrainConfig:
    """The config of `run` with the strength and parameters of `config`: the same images, target
    label and seed, so that the trigger shown is the one that the run's model was trained on."""
    made = None if run is None else recorded_training(run.manifest)
    if made is None:
        return config
    return replace(as_training(made), strength=config.strength, parameters=config.parameters)


def parameters(config: ModelConfig) -> Mapping[str, Any] | None:
    """A config's trigger parameters by name; None where they are not, or no longer, valid."""
    try:
        strengths = attack_class(config.attack).strengths
        return strengths[config.strength] | changes_from(config.parameters)
    except (NGFError, KeyError):
        return None


def ask(model: torch.nn.Module, images: NDArray[np.uint8]) -> Answers:
    """A model's answers for images, uint8 (n, C, H, W)."""
    from ngf_core.evaluate.test_set import predict

    top = predict(model, torch.from_numpy(images)).max(1)
    return Answers(top.indices.numpy(), top.values.numpy())
