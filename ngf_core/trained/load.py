"""The data, attack and models of a finished run."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import nn

from ngf_core.attacks import EVERY_ATTACK
from ngf_core.attacks.attack import Attack, build_attack, changes_from
from ngf_core.attacks.control import Poisoned
from ngf_core.config import ImportConfig, ModelConfig, PurifyConfig, TrainConfig
from ngf_core.data import DATASETS
from ngf_core.data.dataset import Dataset, Outline, load_dataset, outline
from ngf_core.data.source import data_folder
from ngf_core.device import device
from ngf_core.errors import RunError
from ngf_core.evaluate.test_set import TestSet, Triggered, build_test_set
from ngf_core.imports.model import received
from ngf_core.models.build import build_model, tunable_layers
from ngf_core.runs import Run, RunStore
from ngf_core.runs.files import ATTACK, POISON, TRIGGERED
from ngf_core.runs.lineage import model_files, training_of


@dataclass(frozen=True)
class TrainedModels:
    """`models` by name: "before", then one per method where the run is a purification.

    `layer`: the layers it tuned, as `tuned_layers` reads them, or those a preset would tune; "" for
    a network that has none.
    `given`: triggered images that came with an imported model, whose attack is then None.
    `came_as`: names, types and prefix of the tensors in the file of an imported model, and its
    layers.
    """

    train: ModelConfig
    dataset: Dataset
    attack: Attack | None
    models: dict[str, nn.Module]
    layer: str
    given: Triggered | None = None
    came_as: dict[str, Any] | None = None

    @cached_property
    def test(self) -> TestSet:
        """The test images, clean and triggered."""
        return build_test_set(self.dataset.test, self.attack, self.given)


def attack_of(config: ModelConfig, dataset: Dataset | Outline) -> Attack | None:
    """The attack of a model's config, before it has learned anything; None where there is none, and
    for an imported model where it is unknown or known by its images only."""
    if config.attack not in EVERY_ATTACK:
        return None
    return build_attack(config.attack, target=config.target, poison_rate=config.poison_rate,
                        seed=config.seed, shape=dataset.shape, classes=dataset.classes,
                        strength=config.strength, changes=changes_from(config.parameters))


def learned_attack(attack: Attack, run: Run) -> Attack:
    """The attack with what it learned in `run`, a training or purification of that attack."""
    if not run.has(ATTACK):
        return attack
    return attack.with_learned(run.tensors(ATTACK))


def attack_in(run: Run, train: ModelConfig, dataset: Dataset) -> Attack | None:
    """The attack as it was in `run`: its parameters and what it learned.

    The parameters come from the run where it has them, so that a strength redefined since does not
    change what an old run did.
    """
    attack = attack_of(train, dataset)
    if attack is None:
        return None
    return learned_attack(replace(attack, changes=run.results.get("parameters", attack.changes)),
                          run)


def dataset_of(config: ModelConfig) -> Dataset:
    """The images of a model's config."""
    return load_dataset(config.dataset, config.root, config.limit, config.size)


def outline_of(config: TrainConfig) -> Outline:
    """The images of a training config, outlined."""
    return outline(config.dataset, config.root, config.limit, config.size)


def check_images(config: TrainConfig) -> None:
    """Raise NGFError where training would refuse its images: files that are missing, a part without
    images, too few for the attack. No image of a set on disk is decoded."""
    images = outline_of(config)
    attack = attack_of(config, images)
    if attack is not None:
        attack.check(images.train, images.test)


def dataset_behind(run: Run, train: ModelConfig) -> Dataset:
    """The data set of the model of `run`, which was made by the config `train`.

    Raises RunError where the files on disk have changed since: the parts would be cut elsewhere,
    and training images would be among the test images.
    """
    dataset, seen = dataset_of(train), run.manifest.get("data_sha")
    if not DATASETS[train.dataset].embedded and seen not in (None, dataset.sha256):
        raise RunError(f"The images in {data_folder(train.root)} are no longer those that run "
                       f"{run.id} was made with. Restore the old files, or train again.")
    return dataset


def poisoned_set(run: Run, epoch: int = -1) -> Poisoned:
    """The poisoned images of one epoch (the last one) of a finished training run, rebuilt.

    From what the attack learned and the recorded indices; nothing is trained. Cover images, which
    only an attacker who controls training makes, are left as they were. Raises RunError where the
    run is not one of a backdoored model or has no such epoch, or the images have changed.
    """
    config = run.config
    if not isinstance(config, TrainConfig) or config.attack == "none":
        raise RunError(f"Run {run.id} poisoned no images. Name a train run with an attack.")
    dataset = dataset_behind(run, config)
    attack = attack_in(run, config, dataset)
    assert attack is not None  # the config names one
    epochs = run.arrays(POISON)["indices"]
    if not -len(epochs) <= epoch < len(epochs):
        raise RunError(f"Run {run.id} has {len(epochs)} poisoned sets; there is no number {epoch}.")
    indices = torch.from_numpy(epochs[epoch]).long()
    return Poisoned(attack.stamped(dataset.train, indices), indices)


def load_trained(run_id: str, store: RunStore) -> TrainedModels:
    """The models of a training or purification run, in eval mode on `device()`.

    See `ngf_core.runs.lineage` for what it was made from. Raises RunError where files are missing
    and where the images on disk have changed.
    """
    run = store.get(run_id)
    files, train, config = model_files(run), training_of(run, store), run.config
    dataset = dataset_behind(run, train)
    models = {name: _load_model(run, file, train, dataset) for name, file in files.items()}
    layer = next(reversed(tunable_layers(next(iter(models.values())))), "")
    if isinstance(config, PurifyConfig):
        layer = run.results.get("layer") or next(iter(config.layers.values()), layer)
    attack = attack_in(run, train, dataset)
    given = Triggered.from_arrays(run.arrays(TRIGGERED)) if run.has(TRIGGERED) else None
    return TrainedModels(train, dataset, attack, models, layer, given, run.results.get("came_as"))


def _load_model(run: Run, file: str, train: ModelConfig, dataset: Dataset) -> nn.Module:
    if isinstance(train, ImportConfig):
        if train.builder and run.manifest["foreign"]:
            raise RunError(f"Run {run.id} came in a bundle, and code of its own builds its "
                           "network: such code is not run here.")
        model: nn.Module = received(train, run.shapes(file), dataset.shape, dataset.classes)
    else:
        model = build_model(train.arch, dataset.shape, dataset.classes)
    try:
        model.load_state_dict(run.tensors(file))
    except RuntimeError as error:
        raise RunError(f"The weights {file}.safetensors of run {run.id} do not fit a {train.arch}: "
                       "the file is from other code or was changed. Make the run again.") from error
    return model.eval().to(device())
