"""What every attack is: a trigger on images, a rule for labels, a way to poison a training set."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ngf_core.attacks import EVERY_ATTACK
from ngf_core.attacks.control import Control, Poisoned
from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError

Report = Callable[[int, int, str], None]
PICTURE = "picture"  # the parameter that is a text, a drawing, and not a number
PART = 500  # images stamped at a time, so that a large set is never held in memory as floats


@dataclass(frozen=True)
class Parameter:
    """One parameter of a trigger: what it does, and the values that make sense.

    Where `step` is an int only whole numbers make sense.
    """

    help: str
    low: float
    high: float
    step: float


@dataclass(frozen=True)
class Attack(ABC):
    """A backdoor attack on images of `shape` (C, H, W) with `classes` labels.

    `poison_rate` is a share of the whole training set, ignored by an attack that is not
    `rated`, which poisons every candidate. All randomness of the trigger comes from
    `seed`, that of the choice of images from the generator given to `poison`. `changes` overrides
    parameters of the strength: numbers, and for a painted trigger the text of its picture.
    `learned` holds the tensors of what the attack has learned (a generator, a surrogate, an
    optimised trigger), as they are saved with a run; it is empty until `fit`, and always where the
    trigger is a formula. `cover_of_poisoned` and `cover_of_all` name the parameter that says how
    many images are changed too and keep their label: for each poisoned one, or of all.
    """

    target: int
    poison_rate: float
    seed: int
    shape: tuple[int, int, int]
    classes: int
    strength: str = "default"
    changes: Mapping[str, Any] = field(default_factory=dict)
    learned: Mapping[str, Tensor] = field(default_factory=dict, repr=False, compare=False)

    title: ClassVar[str]
    reference: ClassVar[str]
    formula: ClassVar[str]
    label_mode: ClassVar[str] = "all-to-one"
    learns: ClassVar[str] = ""
    redrawn_each_epoch: ClassVar[bool] = False
    rated: ClassVar[bool] = True
    cover_of_poisoned: ClassVar[str] = ""
    cover_of_all: ClassVar[str] = ""
    strengths: ClassVar[dict[str, dict[str, float]]]
    knobs: ClassVar[dict[str, Parameter]]

    def __post_init__(self) -> None:
        if self.strength not in self.strengths:
            raise ConfigError("strength", f"{self.strength!r} is unknown",
                              f"Choose one of {', '.join(self.strengths)}.")
        if not 0 <= self.target < self.classes:
            raise ConfigError("target", f"there is no label {self.target}",
                              f"Use a label from 0 to {self.classes - 1}.")
        for name, value in self.changes.items():
            self.check_change(name, value)

    @classmethod
    def check_change(cls, name: str, value: Any) -> None:
        """Raise ConfigError where `name` is no parameter or cannot have this value."""
        if name not in cls.knobs:
            raise ConfigError("parameters", f"{cls.title} has no parameter {name!r}",
                              f"It has {', '.join(cls.knobs)}.")
        knob = cls.knobs[name]
        if not knob.low <= value <= knob.high:
            raise ConfigError("parameters", f"{name} = {value:g} is out of range",
                              f"Use a number from {knob.low:g} to {knob.high:g}.")
        if isinstance(knob.step, int) and value != int(value):
            raise ConfigError("parameters", f"{name} = {value:g} is not a whole number",
                              f"Use a whole number from {knob.low:g} to {knob.high:g}.")

    @property
    def parameters(self) -> dict[str, Any]:
        """The trigger's parameters: those of the strength, with the changes."""
        return self.strengths[self.strength] | dict(self.changes)

    @property
    def ready(self) -> bool:
        """Whether `trigger` can be called: at once for a formula, after `fit` for a learned one.

        `learns` describes what is learned, and is empty for a formula.
        """
        return not self.learns or bool(self.learned)

    @property
    def source(self) -> int | None:
        """The one class whose images the trigger applies to; None where it applies to all."""
        return None

    def fit(self, images: Images, device: torch.device, report: Report) -> Self:
        """The attack, having learned what it needs before the first image is poisoned.

        Depends on `images` (the attacker's training set), the parameters and `seed` only;
        `report(done, total, sentence)` is called at intervals.
        """
        return self

    def control(self, images: Images, generator: torch.Generator, epochs: int,
                device: torch.device) -> Control:
        """What the attack controls during a training run of `epochs` epochs on `images`."""
        return Control(self, images, generator)

    def with_learned(self, learned: Mapping[str, Tensor]) -> Self:
        """The same attack with these tensors as what it has learned."""
        return replace(self, learned=learned)

    @abstractmethod
    def trigger(self, x: Tensor) -> Tensor:
        """The images (uint8, (n, C, H, W)) with the trigger, uint8 of the same shape."""

    def target_labels(self, y: Tensor) -> Tensor:
        """The label the attacker wants for images of true label y."""
        if self.label_mode == "all-to-all":
            return (y + 1) % self.classes
        return torch.full_like(y, self.target)

    def victims(self, y: Tensor) -> Tensor:
        """Where the attack's success is counted: images (of `source`) whose label would change."""
        changes = self.target_labels(y) != y
        return changes if self.source is None else changes & (y == self.source)

    def candidates(self, y: Tensor) -> Tensor:
        """Indices of the training images that may be poisoned."""
        keep = y == self.target if self.label_mode == "clean-label" else self.victims(y)
        return keep.nonzero().flatten()

    def poison(self, images: Images, generator: torch.Generator) -> Poisoned:
        """Stamp round(poison_rate * n) random candidates and give them their target label.

        Raises ConfigError where fewer candidates exist than the rate requires, where it rounds to
        no image, or where no candidate exists.
        """
        indices = self.draw(images.y, generator)
        return Poisoned(self.stamped(images, indices), indices)

    def stamped(self, images: Images, indices: Tensor) -> Images:
        """A copy of the set whose images at `indices` carry the trigger and their target label."""
        copy = images.copy()
        for part in indices.split(PART):
            copy.x[part] = self.trigger(copy.x[part])
            copy.y[part] = self.target_labels(copy.y[part])
        return copy

    def draw(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """The sorted indices of the images to be poisoned, of training images with labels y.

        Raises ConfigError as `poison`.
        """
        candidates = self.candidates(y)
        if not len(candidates):
            raise ConfigError("target", f"among the {len(y)} training images there is none "
                              f"that {self.title} could poison for label {self.target}",
                              "Use more images, or another label.")
        if not self.rated:
            return candidates
        count = round(self.poison_rate * len(y))
        if not 1 <= count <= len(candidates):
            most = len(candidates) / len(y)
            raise ConfigError(
                "poison_rate", f"{self.poison_rate:g} of {len(y)} images is {count}, but "
                f"{self.title} can poison 1 to {len(candidates)} of them",
                f"Use a rate from {1 / len(y):.2g} to {most:.3g}.")
        order = torch.randperm(len(candidates), generator=generator)[:count]
        return candidates[order].sort().values

    def check(self, train: Tensor, test: Tensor) -> None:
        """Raise ConfigError where images with these labels cannot be attacked.

        That is where `draw` raises on the training images, and `check_victims` on the test images.
        """
        self.draw(train, torch.Generator().manual_seed(self.seed))
        self.check_victims(test)

    def check_victims(self, test: Tensor) -> None:
        """Raise ConfigError where no image with these labels is a victim: ASR would be undefined.
        """
        if not self.victims(test).any():
            raise ConfigError("target", f"none of the {len(test)} test images is one that "
                              f"{self.title} turns into label {self.target}, so that its success "
                              "cannot be measured", "Add test images of other classes, or use "
                              "another label.")


def attack_class(name: str) -> type[Attack]:
    """The class of the attack called `name`; ConfigError where there is none."""
    if name not in EVERY_ATTACK:
        raise ConfigError("attack", f"{name!r} is unknown",
                          f"Choose one of {', '.join(EVERY_ATTACK)}.")
    return EVERY_ATTACK[name].load()


def build_attack(name: str, *, target: int, poison_rate: float, seed: int,
                 shape: tuple[int, int, int], classes: int, strength: str = "default",
                 changes: Mapping[str, Any] | None = None) -> Attack:
    """The attack called `name` on images of `shape`; ConfigError for invalid arguments."""
    return attack_class(name)(target, poison_rate, seed, shape, classes, strength, changes or {})


def changes_from(text: str) -> dict[str, Any]:
    """{"alpha": 0.5, "k": 3.0} of "alpha=0.5,k=3"; ConfigError for text of another form.

    All values are numbers but that of `PICTURE`, which stays text.
    """
    changes: dict[str, Any] = {}
    for part in text.replace(" ", "").split(",") if text.strip() else ():
        name, _, value = part.partition("=")
        if name in changes:
            raise ConfigError("parameters", f"{name} is given twice", "Give it once.")
        try:
            changes[name] = value if name == PICTURE else float(value)
        except ValueError:
            raise ConfigError("parameters", f"{part!r} does not name a parameter and a number",
                              "Write them as alpha=0.5,k=3.") from None
    return changes


def changes_text(changes: Mapping[str, Any]) -> str:
    """The changes as a setting of a run, which `changes_from` reads: "alpha=0.5,k=3"."""
    return ",".join(f"{name}={value}" if name == PICTURE else f"{name}={value:g}"
                    for name, value in changes.items())


def to_uint8(x: Tensor) -> Tensor:
    """Round to the nearest level and clip before the cast, so that no level wraps around."""
    return x.round().clamp(0, 255).to(torch.uint8)


def rounded(x: Tensor) -> Tensor:
    """`to_uint8` of levels 0..255 as floats with the gradient of the identity inside 0..255.

    A generator trained through it learns triggers that survive being saved as a picture.
    """
    clipped = x.clamp(0, 255)
    return clipped + (clipped.round() - clipped).detach()
