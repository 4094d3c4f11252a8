"""What every attack is: a trigger on images, a rule for labels, a way to poison a training set."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ngf_core.attacks import ATTACKS
from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError


@dataclass(frozen=True)
class Poisoned:
    """A poisoned training set: `images`, of which those at `indices` (sorted) carry the trigger."""

    images: Images
    indices: Tensor


@dataclass(frozen=True)
class Attack(ABC):
    """A backdoor attack on images of `shape` (C, H, W) with `classes` labels.

    `poison_rate` is a share of the whole training set. All randomness of the trigger comes from
    `seed`, that of the choice of images from the generator given to `poison`.
    """

    target: int
    poison_rate: float
    seed: int
    shape: tuple[int, int, int]
    classes: int
    strength: str = "default"

    title: ClassVar[str]
    reference: ClassVar[str]
    formula: ClassVar[str]
    label_mode: ClassVar[str] = "all-to-one"
    redrawn_each_epoch: ClassVar[bool] = False
    strengths: ClassVar[dict[str, dict[str, float]]]

    def __post_init__(self) -> None:
        if self.strength not in self.strengths:
            raise ConfigError("strength", f"{self.strength!r} is unknown",
                              f"Choose one of {', '.join(self.strengths)}.")
        if not 0 <= self.target < self.classes:
            raise ConfigError("target", f"there is no label {self.target}",
                              f"Use a label from 0 to {self.classes - 1}.")

    @property
    def parameters(self) -> dict[str, float]:
        """The trigger's parameters at the chosen strength."""
        return self.strengths[self.strength]

    @abstractmethod
    def trigger(self, x: Tensor) -> Tensor:
        """The images (uint8, (n, C, H, W)) with the trigger, uint8 of the same shape."""

    def target_labels(self, y: Tensor) -> Tensor:
        """The label the attacker wants for images of true label y."""
        return torch.full_like(y, self.target)

    def victims(self, y: Tensor) -> Tensor:
        """Where the attack's success is counted: images whose label it would change."""
        return self.target_labels(y) != y

    def candidates(self, y: Tensor) -> Tensor:
        """Indices of the training images that may be poisoned."""
        keep = y == self.target if self.label_mode == "clean-label" else self.victims(y)
        return keep.nonzero().flatten()

    def poison(self, images: Images, generator: torch.Generator) -> Poisoned:
        """Stamp round(poison_rate * n) random candidates and give them their target label.

        Raises ConfigError where fewer candidates exist than the rate asks for, or none is asked.
        """
        indices = self.draw(images, generator)
        x, y = images.x.clone(), images.y.clone()
        x[indices] = self.trigger(x[indices])
        y[indices] = self.target_labels(y[indices])
        return Poisoned(Images(x, y), indices)

    def draw(self, images: Images, generator: torch.Generator) -> Tensor:
        """The sorted indices of the images to be poisoned."""
        candidates = self.candidates(images.y)
        count = round(self.poison_rate * len(images))
        if not 1 <= count <= len(candidates):
            most = len(candidates) / len(images)
            raise ConfigError(
                "poison_rate", f"{self.poison_rate:g} of {len(images)} images is {count}, but "
                f"{self.title} can poison 1 to {len(candidates)} of them",
                f"Use a rate from {1 / len(images):.2g} to {most:.3g}.")
        order = torch.randperm(len(candidates), generator=generator)[:count]
        return candidates[order].sort().values


def attack_class(name: str) -> type[Attack]:
    """The class of the attack called `name`; ConfigError where there is none."""
    if name not in ATTACKS:
        raise ConfigError("attack", f"{name!r} is unknown", f"Choose one of {', '.join(ATTACKS)}.")
    return ATTACKS[name].load()


def build_attack(name: str, *, target: int, poison_rate: float, seed: int,
                 shape: tuple[int, int, int], classes: int, strength: str = "default") -> Attack:
    """The attack called `name`, ready for images of `shape`."""
    return attack_class(name)(target, poison_rate, seed, shape, classes, strength)


def to_uint8(x: Tensor) -> Tensor:
    """Round to the nearest level and clip, in that order of safety: never a wrap-around."""
    return x.round().clamp(0, 255).to(torch.uint8)
