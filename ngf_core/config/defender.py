"""What a defender has: a budget, and a few clean images of a run's data set."""

from dataclasses import dataclass, fields

from ngf_core.data import AUGMENTATIONS
from ngf_core.options import option
from ngf_core.purify.budget import Budget


@dataclass(frozen=True, kw_only=True)
class Defender(Budget):
    """A budget on the clean images of a run's data set, which are uint8."""

    augment: str = option("strong", "augmentation of the clean images: none, crop (as published), "
                          "strong (crop, random erasing, noise)", choices=AUGMENTATIONS)
    clean_fraction: float = option(0.05, "the defender's clean images as a share of train + clean",
                                   0.01, 0.05)
    clean_balance: str = option("drawn", "the clean images' classes: drawn at random, or "
                                "balanced (equally many per class)",
                                choices=("drawn", "balanced"))

    @property
    def budget(self) -> Budget:
        """The budget alone: the only part of a run's config that a method is given."""
        return Budget(**{field.name: getattr(self, field.name) for field in fields(Budget)})
