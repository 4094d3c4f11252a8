"""The settings of a training run."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.attacks import EVERY_ATTACK
from ngf_core.data import DATASETS
from ngf_core.models import ARCHITECTURES
from ngf_core.options import option


@dataclass(frozen=True)
class TrainConfig:
    """Train one model, benign (attack `none`) or backdoored."""

    kind: ClassVar[str] = "train"

    dataset: str = option("signs", "data set", choices=tuple(DATASETS))
    arch: str = option("mini_preact_resnet", "architecture",
                       choices=tuple(ARCHITECTURES))
    attack: str = option("badnets", "attack, or none for a benign model",
                         choices=("none", *EVERY_ATTACK))
    strength: str = option("default", "the attack's trigger: 'published' values, or 'default', "
                           "which departs from them only where an attack needs it at 32x32",
                           choices=("default", "published"))
    parameters: str = option("", "changes to the strength's parameters, as alpha=0.5,k=3; a "
                             "painted trigger's picture is one of them")
    poison_rate: float = option(0.08, "poisoned share of all training images (clean-label attacks: "
                                "at most the target class)", 0.001, 0.5)
    target: int = option(0, "label the attacker wants (all-to-all attacks ignore it)", 0, 999)
    epochs: int = option(20, "passes over the training images", 1, 500)
    batch_size: int = option(128, "images per training step", 8, 1024)
    lr: float = option(0.1, "peak learning rate (SGD, Nesterov momentum 0.9, one cycle)", 1e-5, 2.0)
    weight_decay: float = option(5e-4, "weight decay", 0.0, 0.1)
    precision: str = option("auto", "arithmetic of training: auto is bf16 where the processor "
                            "multiplies it", choices=("auto", "float32", "bf16"))
    seed: int = option(0, "seed of weights, poisoning and batches", 0, 2**31 - 1)
    root: str = option("", "folder that holds the data set's files; empty is NGF_DATA or ./data")
    limit: int = option(0, "training images per class; 0 is all", 0, 10**7)
    size: int = option(0, "side of the images in pixels, from 8; 0 is the data set's own", 0, 1024)
    weights: str = option("", "file of torchvision's ImageNet weights to start from; empty is a "
                          "random start")
