"""The settings of a landscape run."""

from dataclasses import dataclass
from typing import ClassVar

from ngf_core.options import option


@dataclass(frozen=True)
class LandscapeConfig:
    """Loss over planes around and between the models of a run, along lines and along paths."""

    kind: ClassVar[str] = "landscape"

    source: str = option("", "id of a training or purification run")
    planes: tuple[str, ...] = option(
        ("random", "models"), "planes: random (filter-normalised), eigen (the two leading Hessian "
        "eigenvectors), path (principal components of the tuning paths), models (through three)",
        choices=("random", "eigen", "path", "models"))
    samples: int = option(150, "held-out images per loss (clean, triggered)", 10, 100000)
    grid: int = option(13, "points along each side of a plane", 3, 101)
    mode: str = option("exact", "exact computes every point; preview computes some, interpolates "
                       "the rest and states its held-out error", choices=("exact", "preview"))
    bound: float = option(0.02, "held-out relative error at which a preview is good enough",
                          0.001, 1.0)
    span: float = option(0.75, "half width of the random plane, in filter-normalised units; the "
                         "eigen plane's is twice this, in distances of one nat", 0.01, 5.0)
    vectors: str = option("still", "biases and BatchNorm's weights in random directions: still, or "
                          "scaled to the norm of each", choices=("still", "scaled"))
    memory: float = option(1.0, "GB that intermediate results may take", 0.05, 1024.0)
    seed: int = option(0, "seed of the directions and of the sample", 0, 2**31 - 1)
