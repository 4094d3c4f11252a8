"""What every purification method shares: its form, its clean batches, BatchNorm, its schedule.

A method is a function `(model, clean, config) -> Iterator[Step]` that tunes the model it is
given in place and yields after every update. It sees clean images only. `config.steps` is its
budget: passes forward and back over one clean batch.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ngf_core.config import PurifyConfig
from ngf_core.data.augment import augment
from ngf_core.data.dataset import Images
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


class Diverged(NGFError):
    """A purification that could not go on; what it had reached before stays."""


Purifier = Callable[[nn.Module, Images, PurifyConfig], Iterator[Step]]


def purifier(name: str) -> Purifier:
    """The method called `name`; ConfigError where there is none."""
    if name not in PURIFIERS:
        raise ConfigError("methods", f"{name!r} is unknown", f"Choose from {', '.join(PURIFIERS)}.")
    return PURIFIERS[name].load()


@dataclass(frozen=True)
class CleanBatches:
    """The defender's batches: number `step` follows from the config alone, so methods share it."""

    clean: Images
    config: PurifyConfig
    device: torch.device

    def drawn(self, step: int) -> tuple[Tensor, torch.Generator]:
        """Which images a step sees, by index, and the generator that goes on to change them."""
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + step)
        size = min(self.config.batch_size, len(self.clean))
        return torch.randperm(len(self.clean), generator=generator)[:size], generator

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Augmented images, float32 in [0, 1], and labels of one step."""
        chosen, generator = self.drawn(step)
        images = self.clean.take(chosen)
        x = augment(self.config.augment, images.x, generator)
        return x.to(self.device), images.y.to(self.device)

    def whole(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The clean set as it is, not augmented, in its order and in parts of a batch's size."""
        for indices in torch.arange(len(self.clean)).split(self.config.batch_size):
            part = self.clean.take(indices)
            yield part.x.to(self.device).float() / 255, part.y.to(self.device)


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
