"""What an attack does to images, before anything is trained."""

from dataclasses import replace
from typing import Any

import torch

from ngf_core.config import TrainConfig, validate
from ngf_core.data import DATASETS
from ngf_core.trained.load import attack_of, dataset_of

LOOKED_AT = 2000


def glance(config: TrainConfig) -> TrainConfig:
    """The config with so few images per class that a set on disk is shown without delay.

    Decoding all of a large set takes minutes, which only training should need.
    """
    entry = DATASETS[config.dataset]
    if entry.embedded:
        return config
    few = max(2, LOOKED_AT // (entry.classes or 100))
    return replace(config, limit=min(config.limit or few, few))


def poison_preview(config: TrainConfig, count: int = 8) -> dict[str, Any]:
    """`count` of the training images that would be poisoned, and how many there would be.

    clean, triggered: uint8 (count, C, H, W); labels, targets: int64 (count,); class_names;
    poisoned, train_images: counts (None where they need decoding a folder); `learns`: in words what
    the attack must learn before it has a trigger ("" for a formula). There is no `triggered` before
    it has. A benign config gives plain images and 0. For embedded sets the images are those of
    training with the same seed, with the trigger as test images carry it; of sets on disk only a
    part is read (`glance`). Raises ConfigError for an invalid combination.
    """
    validate(config)
    entry, seen = DATASETS[config.dataset], glance(config)
    dataset = dataset_of(seen)
    attack = attack_of(config, dataset)
    images = dataset.train
    generator = torch.Generator().manual_seed(config.seed)
    if attack is None:
        shown = torch.arange(count)
    else:
        drawn = attack.draw(images, generator)
        shown = drawn[:: max(1, len(drawn) // count)][:count]
    clean = images.take(shown)
    total: int | None = len(images)
    if seen is not config:
        total = entry.training_images(config.limit) if entry.classes else None
    share = 0 if attack is None else len(drawn) / len(images)
    preview = {
        "clean": clean.x.numpy(),
        "labels": clean.y.numpy(),
        "targets": (clean.y if attack is None else attack.target_labels(clean.y)).numpy(),
        "class_names": dataset.class_names,
        "poisoned": None if total is None else round(share * total),
        "train_images": total,
        "learns": "" if attack is None or attack.ready else attack.learns,
    }
    if not preview["learns"]:
        preview["triggered"] = (clean.x if attack is None else attack.trigger(clean.x)).numpy()
    return preview
