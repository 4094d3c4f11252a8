"""What every purification method shares: its form, its clean batches, BatchNorm, its schedule.

A method is a function `(model, clean, config) -> Iterator[Step]` that tunes the model it is
given in place and yields after every update. It sees clean images only. `config.steps` is its
budget: passes forward and back over one clean batch.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ngf_core.config import PurifyConfig
from ngf_core.data.augment import are_images, as_floats, augment
from ngf_core.data.dataset import Images
from ngf_core.data.examples import Examples
from ngf_core.errors import ConfigError, NGFError
from ngf_core.purify import PURIFIERS

CALIBRATION_BATCHES = 10


@dataclass(frozen=True)
class Step:
    """One update: passes spent so far (at least 1), the clean batch's loss before it, tuning
    seconds so far.

    A pass is a batch's way forward and back; an update of most methods takes one, of those that
    look twice (FT-SAM, ANP) two. `kl` is s^2 d^T (F + lambda I) d of a natural step, about twice
    the KL divergence it caused. `found` is what a method has to tell (channels cut, classes
    flagged), as JSON values.
    """

    step: int
    loss: float
    seconds: float
    kl: float | None = None
    found: dict[str, Any] | None = None


def is_last(step: Step, config: PurifyConfig, cost: int = 1) -> bool:
    """Whether no update of `cost` passes follows `step`: the passes or the seconds are used up."""
    return step.step + cost > config.steps or 0 < config.seconds <= step.seconds


def part_of(config: PurifyConfig, share: float, steps: int) -> PurifyConfig:
    """The config of a phase that has `steps` passes, and that share of the seconds."""
    return replace(config, steps=steps, seconds=share * config.seconds)


class Diverged(NGFError):
    """A purification that could not go on; what it had reached before stays."""


CleanSet = Images | Examples
Purifier = Callable[[nn.Module, CleanSet, PurifyConfig], Iterator[Step]]


def clean_batches(clean: "Images | CleanBatches", config: PurifyConfig, device: torch.device
                  ) -> "CleanBatches":
    """The batches of a clean set; batches that somebody has prepared are taken as they are."""
    return clean if isinstance(clean, CleanBatches) else CleanBatches(clean, config, device)


def purifier(name: str) -> Purifier:
    """The method called `name`, which chooses its step size first where the config says so.

    ConfigError where there is none.
    """
    if name not in PURIFIERS:
        raise ConfigError("methods", f"{name!r} is unknown", f"Choose from {', '.join(PURIFIERS)}.")
    from ngf_core.purify.step_size import with_step_size  # which is made of what stands here

    entry = PURIFIERS[name]
    return with_step_size(entry.step_size, entry.load()) if entry.step_size else entry.load()


@dataclass(frozen=True)
class CleanBatches:
    """The defender's batches: number `step` follows from the config alone, so methods share it.

    Raises ConfigError where the inputs are no images in [0, 1] and are to be augmented.
    """

    clean: CleanSet
    config: PurifyConfig
    device: torch.device

    def __post_init__(self) -> None:
        if self.config.augment != "none" and not are_images(self.clean.x):
            raise ConfigError("augment", f"{self.config.augment!r} changes images (n, channels, "
                              "height, width) of uint8 or with numbers in [0, 1], which these "
                              "inputs are not", "Use 'none'.")

    def drawn(self, step: int) -> tuple[Tensor, torch.Generator]:
        """Which inputs a step sees, by index, and the generator that goes on to change them."""
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + step)
        size = min(self.config.batch_size, len(self.clean))
        return torch.randperm(len(self.clean), generator=generator)[:size], generator

    @property
    def copies(self) -> int:
        """How many fixed copies of the clean set all steps draw from; 0: each is drawn anew."""
        return 1 if self.config.augment == "none" else self.config.pool

    @cached_property
    def fixed(self) -> Tensor:
        """The pool: `copies` augmented copies of the clean set, float32 (copies n, C, H, W)."""
        # Seeds that no step has, since there are at most 5,000 steps.
        drawn = [torch.Generator().manual_seed((self.config.seed + 1) * 1_000_003 - 1 - copy)
                 for copy in range(self.copies)]
        return torch.cat([augment(self.config.augment, self.clean.x, g) for g in drawn])

    def rows(self, step: int) -> Tensor:
        """Which images of the pool a step sees, by index; modulo n the clean image behind each."""
        chosen, generator = self.drawn(step)
        copy = torch.randint(self.copies, chosen.shape, generator=generator)
        return copy * len(self.clean) + chosen

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Augmented inputs, floats (of images in [0, 1]), and labels of one step."""
        if self.copies:
            rows = self.rows(step)
            y = self.clean.y[rows % len(self.clean)]
            return self.fixed[rows].to(self.device), y.to(self.device)
        chosen, generator = self.drawn(step)
        images = self.clean.take(chosen)
        x = augment(self.config.augment, images.x, generator)
        return x.to(self.device), images.y.to(self.device)

    def whole(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The clean set as it is, not augmented, in its order and in parts of a batch's size."""
        for indices in torch.arange(len(self.clean)).split(self.config.batch_size):
            part = self.clean.take(indices)
            yield as_floats(part.x.to(self.device)), part.y.to(self.device)


class Stopwatch:
    """Seconds spent tuning; what the consumer of an iterator does between steps is not counted."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._started


def cosine(step: int, steps: int) -> float:
    """Falls from 1 at step 0 towards 0 at `steps`."""
    return 0.5 * (1 + math.cos(math.pi * step / steps))


def flat(parameters: list[nn.Parameter]) -> Tensor:
    """A copy of the parameters as one vector (P,), in any memory format."""
    return torch.cat([p.detach().reshape(-1) for p in parameters])


def assign(parameters: list[nn.Parameter], vector: Tensor) -> None:
    """Write a vector made by `flat` back."""
    with torch.no_grad():
        parts = vector.split([p.numel() for p in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.copy_(part.view(parameter.shape))


def only_trainable(model: nn.Module, parameters: list[nn.Parameter]) -> None:
    """Eval mode, gradients for `parameters` alone (autograd then stops at the earliest of them)."""
    model.eval().requires_grad_(False)
    for parameter in parameters:
        parameter.requires_grad_(True)


def recalibrate_batchnorm(model: nn.Module, batches: CleanBatches) -> None:
    """Set every BatchNorm's running statistics to the mean over some of the tuning batches.

    Done once, before tuning, and then kept: a received model's statistics come from poisoned
    images, and with fixed ones the gradient of a step is that of the loss it is judged by.
    (Renewing them after every step is not: where a normalisation follows the tuned layer it takes
    back each step's change of scale, and the weights run away. Tried: even plain SGD diverges.)
    """
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    kept = [m.momentum for m in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches that follow
        norm.train()
    try:
        with torch.no_grad():
            for step in range(CALIBRATION_BATCHES):
                model(batches(step)[0])
    finally:
        for norm, momentum in zip(norms, kept, strict=True):
            norm.momentum = momentum
            norm.eval()
