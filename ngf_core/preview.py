"""What an attack does to images, before anything is trained."""

from typing import Any

import torch

from ngf_core.config import TrainConfig, validate
from ngf_core.execute.sources import attack_of, dataset_of


def poison_preview(config: TrainConfig, count: int = 8) -> dict[str, Any]:
    """`count` of the training images that would be poisoned, and how many there would be.

    clean, triggered: uint8 (count, C, H, W); labels, targets: int64 (count,); poisoned,
    train_images: counts; `learns`: in words what the attack must learn before it has a trigger
    ("" for a formula). There is no `triggered` before it has. A benign config gives plain images
    and 0. The images are those of training with the same seed, with the trigger as test images
    carry it. Raises ConfigError for a combination that cannot be.
    """
    validate(config)
    dataset = dataset_of(config)
    attack = attack_of(config, dataset)
    images = dataset.train
    generator = torch.Generator().manual_seed(config.seed)
    if attack is None:
        shown = torch.arange(count)
    else:
        drawn = attack.draw(images, generator)
        shown = drawn[:: max(1, len(drawn) // count)][:count]
    clean = images.take(shown)
    preview = {
        "clean": clean.x.numpy(),
        "labels": clean.y.numpy(),
        "targets": (clean.y if attack is None else attack.target_labels(clean.y)).numpy(),
        "poisoned": 0 if attack is None else len(drawn),
        "train_images": len(images),
        "learns": "" if attack is None or attack.ready else attack.learns,
    }
    if not preview["learns"]:
        preview["triggered"] = (clean.x if attack is None else attack.trigger(clean.x)).numpy()
    return preview
