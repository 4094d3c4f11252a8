"""What an attack does to images, before anything is trained."""

from typing import Any

import torch

from ngf_core.config import TrainConfig, validate
from ngf_core.trained.load import attack_of, outline_of


def poison_preview(config: TrainConfig, count: int = 8) -> dict[str, Any]:
    """`count` of the training images that would be poisoned, and how many there would be.

    clean, triggered: uint8 (count, C, H, W); labels, targets: int64 (count,); class_names;
    poisoned, train_images: counts; `learns`: in words what the attack must learn before it has a
    trigger ("" for a formula). There is no `triggered` before it has. A benign config gives plain
    images and 0. The images are those of training with the same seed, with the trigger as test
    images carry it; of a set on disk no others are decoded. Raises ConfigError for an invalid
    combination.
    """
    validate(config)
    images = outline_of(config)
    attack = attack_of(config, images)
    if attack is None:
        drawn = torch.empty(0, dtype=torch.int64)
        shown = torch.arange(min(count, len(images.train)))
    else:
        attack.check(images.train, images.test)
        drawn = attack.draw(images.train, torch.Generator().manual_seed(config.seed))
        shown = drawn[:: max(1, len(drawn) // count)][:count]
    clean = images.decoded(shown)
    preview = {
        "clean": clean.x.numpy(),
        "labels": clean.y.numpy(),
        "targets": (clean.y if attack is None else attack.target_labels(clean.y)).numpy(),
        "class_names": images.class_names,
        "poisoned": len(drawn),
        "train_images": len(images.train),
        "learns": "" if attack is None or attack.ready else attack.learns,
    }
    if not preview["learns"]:
        preview["triggered"] = (clean.x if attack is None else attack.trigger(clean.x)).numpy()
    return preview
