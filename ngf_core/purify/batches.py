"""The defender's clean images as batches, the same for every method."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ngf_core.data.augment import are_images, augment
from ngf_core.data.dataset import Images
from ngf_core.data.examples import Examples
from ngf_core.data.floats import as_floats
from ngf_core.errors import ConfigError
from ngf_core.purify.budget import Budget

CleanSet = Images | Examples


def settled(budget: Budget, clean: CleanSet) -> Budget:
    """The budget with what augmentation "auto" means for these inputs."""
    if budget.augment != "auto":
        return budget
    return replace(budget, augment="strong" if clean.x.dtype == torch.uint8 else "none")


def clean_batches(clean: "CleanSet | CleanBatches", budget: Budget, device: torch.device
                  ) -> "CleanBatches":
    """The batches of a clean set; batches already prepared are returned as they are."""
    return clean if isinstance(clean, CleanBatches) else CleanBatches(clean, budget, device)


@dataclass(frozen=True)
class CleanBatches:
    """The defender's batches: batch `step` depends on the budget alone, so methods share it.

    Raises ConfigError where inputs that are not images in [0, 1] are to be augmented.
    """

    clean: CleanSet
    budget: Budget
    device: torch.device

    def __post_init__(self) -> None:
        object.__setattr__(self, "budget", settled(self.budget, self.clean))
        if self.budget.augment != "none" and not are_images(self.clean.x):
            raise ConfigError("augment", f"{self.budget.augment!r} changes images (n, channels, "
                              "height, width) of uint8 or with numbers in [0, 1], which these "
                              "inputs are not", "Use 'none'.")

    def drawn(self, step: int) -> tuple[Tensor, torch.Generator]:
        """Which inputs a step sees, by index, and the generator that then augments them."""
        generator = torch.Generator().manual_seed(self.budget.seed * 1_000_003 + step)
        size = min(self.budget.batch_size, len(self.clean))
        return torch.randperm(len(self.clean), generator=generator)[:size], generator

    @property
    def copies(self) -> int:
        """How many fixed copies of the clean set all steps draw from; 0: each step augments its
        own."""
        return 1 if self.budget.augment == "none" else self.budget.pool

    @cached_property
    def fixed(self) -> Tensor:
        """The pool: `copies` augmented copies of the clean set, float32 (copies n, C, H, W)."""
        # Seeds that no step has, since there are at most 5,000 steps.
        drawn = [torch.Generator().manual_seed((self.budget.seed + 1) * 1_000_003 - 1 - copy)
                 for copy in range(self.copies)]
        return torch.cat([augment(self.budget.augment, self.clean.x, g) for g in drawn])

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
        x = augment(self.budget.augment, images.x, generator)
        return x.to(self.device), images.y.to(self.device)

    def whole(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The clean set as it is, not augmented, in its order and in parts of a batch's size."""
        for indices in torch.arange(len(self.clean)).split(self.budget.batch_size):
            part = self.clean.take(indices)
            yield as_floats(part.x.to(self.device)), part.y.to(self.device)
