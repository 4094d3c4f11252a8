"""The settings of an import: a model that was trained elsewhere."""

from dataclasses import dataclass, replace
from typing import ClassVar

from ngf_core.attacks import EVERY_ATTACK
from ngf_core.config.train import TrainConfig
from ngf_core.data import DATASETS
from ngf_core.models import ARCHITECTURES
from ngf_core.options import option

# What is known of a backdoor: nothing, its triggered images, or a trigger that can be made here.
UNKNOWN, GIVEN = "unknown", "images"


@dataclass(frozen=True)
class ImportConfig:
    """Take in a model that was trained elsewhere, and measure it."""

    kind: ClassVar[str] = "import"
    # Nobody knows how much of the images it was trained on carried a trigger.
    poison_rate: ClassVar[float] = 0.0

    file: str = option("", "file with the model's weights: safetensors, or what torch.save wrote")
    file_sha: str = option("", "SHA-256 of that file; found out where it is not given")
    dataset: str = option("signs", "data set that the model classifies", choices=tuple(DATASETS))
    # A wrong one raises no error later, so that there is no usual one.
    normalisation: str = option("", "pixels the network was trained on, to be named: none, half, "
                                "ngf, imagenet, cifar10, cifar100, tiny_imagenet, mnist, or "
                                "mean,mean,mean/deviation,deviation,deviation")
    order: str = option("rgb", "order of the channels it was trained on", choices=("rgb", "bgr"))
    labels: str = option("", "output of the network for each label of the data set, as 2,0,1; "
                         "empty is the same order")
    inside: str = option("", "key of the state dict in a file that holds several")
    heads: int = option(0, "attention heads of a transformer; 0 is the usual number for its width",
                        0, 1024)
    builder: str = option("", "your own code that builds the network, as module:function, where it "
                          "is none that is known here; it is run")
    arch: str = option("", "name of the network, for people; recognised where it is not given")
    attack: str = option(UNKNOWN, "backdoor of the model: unknown (ASR is then not measured), "
                         "none, images (triggered images are given), or an attack whose trigger is "
                         "made here", choices=(UNKNOWN, "none", GIVEN, *EVERY_ATTACK))
    strength: str = option("default", "strength of that attack's trigger",
                           choices=("default", "published"))
    parameters: str = option("", "changes to the strength's parameters, as alpha=0.5,k=3")
    target: int = option(0, "label the attacker wants", 0, 999)
    triggered: str = option("", "folder with triggered images: in folders by their true class "
                            "(names or numbers), or without, where that is unknown")
    root: str = option("", "folder that holds the data set's files; empty is NGF_DATA or ./data")
    limit: int = option(0, "images per class; 0 is all", 0, 10**7)
    size: int = option(0, "side of the images in pixels, from 8; 0 is the data set's own", 0, 1024)
    seed: int = option(0, "seed of an attack's trigger", 0, 2**31 - 1)
    anyway: bool = option(False, "take it in although its answers on clean images look wrong")


def as_training(made: TrainConfig | ImportConfig) -> TrainConfig:
    """The settings of a training as which a model's images and trigger can be made here.

    Those of an import are taken over; where its attack is unknown or only its triggered images are,
    and where its network is none that is trained here, the defaults stand.
    """
    if isinstance(made, TrainConfig):
        return made
    images = TrainConfig(dataset=made.dataset, root=made.root, limit=made.limit, size=made.size,
                         seed=made.seed)
    if made.arch in ARCHITECTURES:
        images = replace(images, arch=made.arch)
    if made.attack in (UNKNOWN, GIVEN):
        return images
    return replace(images, attack=made.attack, strength=made.strength,
                   parameters=made.parameters, target=made.target)
