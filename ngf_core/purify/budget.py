"""The budget all methods share: how long each may tune, and how clean images become batches."""

from dataclasses import dataclass

from ngf_core.data import AUGMENTATIONS
from ngf_core.options import option


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Passes, seconds and batches of one purification, the same for every method compared."""

    steps: int = option(100, "updates each method may make, counted in passes forward and back "
                        "over a clean batch", 1, 5000)
    seconds: float = option(0.0, "tuning seconds each method may take; 0 means no limit",
                            0.0, 86400.0)
    augment: str = option("auto", "augmentation of the clean images: none, crop (as published), "
                          "strong (crop, random erasing, noise), or auto (strong for images of "
                          "uint8, none for other inputs)", choices=("auto", *AUGMENTATIONS))
    pool: int = option(0, "augmented copies of the clean images that all steps draw from, so that "
                       "what a tuned layer sees is computed once; 0 draws new ones at every step",
                       0, 1000)
    batchnorm: str = option("recalibrated", "BatchNorm statistics: frozen as received, or "
                            "recalibrated once on the clean batches before tuning",
                            choices=("frozen", "recalibrated"))
    batch_size: int = option(256, "clean images per step (capped at the clean set)", 2, 4096)
    seed: int = option(0, "seed of batches, augmentation and sampled labels", 0, 2**31 - 1)
