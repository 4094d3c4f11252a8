"""What a sharpness measure returns, and how two of them are compared.

Every measure here is, at its own maximiser or eigenvector, a mean over the images: lambda_1 is the
mean of v^T H_i v, SAM's the mean rise of the losses. To first order the measure follows that mean
when the images change (for eigenvalues: Hellmann-Feynman; in general the infinitesimal jackknife,
Jaeckel 1972; Efron, The Jackknife, 1982, chapter 6). So one share per image gives the standard
error over images, and shares of two models on the same images give that of their difference,
paired.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from torch import Tensor

from ngf_core.errors import ConfigError

if TYPE_CHECKING:
    from ngf_core.curvature.sharpness.subject import Subject


@dataclass(frozen=True)
class Reading:
    """One measure of one model on n images.

    value: the measure on these images. error: how far the computation may be off (a Ritz residual
    or the standard error over the probes), None where it is exact; `error_is` names which.
    shares: (n,) float64 with mean `value`; one more image like i moves the value by about
    (shares_i - value) / n. draws: (m,) the value from each random probe alone, or None.
    parts: readings of its parts, for instance by layer. cost: passes over the images, by kind.
    """

    value: float
    shares: Tensor
    error: float | None = None
    error_is: str = "none: exact on these images"
    draws: Tensor | None = None
    parts: Mapping[str, "Reading"] = field(default_factory=dict)
    cost: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """The reading that `dataclasses.asdict` made plain."""
        return cls(**{**plain, "parts": {name: cls.of(part)
                                         for name, part in plain["parts"].items()}})

    @property
    def sampling_error(self) -> float:
        """Standard error over images: how far another draw of n images would be off."""
        return standard_error(self.shares)


@dataclass(frozen=True)
class Difference:
    """One reading minus another on the same images and probes.

    error: of the computation (`error_is` names it); sampling_error: paired, over the images.
    """

    value: float
    error: float | None
    error_is: str
    sampling_error: float


@dataclass(frozen=True)
class SharpnessMeasure:
    """A sharpness measure: its definition in a sentence, what biases it, and how it is read.

    cheap: whether it costs less than about twenty Hessian products.
    """

    title: str
    definition: str
    moved_by: str
    read: Callable[["Subject"], Reading]
    cheap: bool = True


def difference(one: Reading, other: Reading) -> Difference:
    """`one` minus `other`, two readings of one measure on the same images.

    Probes that both shared are compared one by one; Ritz residuals add up.
    Raises ConfigError where the readings are on different numbers of images or probes.
    """
    if one.shares.shape != other.shares.shape:
        raise ConfigError("readings", f"they are on {len(one.shares)} and {len(other.shares)} "
                          "images", "Measure both models on the same images.")
    paired = (one.shares - other.shares.to(one.shares.device))
    value = one.value - other.value
    if one.draws is not None and other.draws is not None:
        if one.draws.shape != other.draws.shape:
            raise ConfigError("readings", f"they are on {len(one.draws)} and "
                              f"{len(other.draws)} probes", "Measure both with the same probes.")
        error = standard_error(one.draws - other.draws)
        error_is = "paired standard error over probes"
    elif one.error is None and other.error is None:
        error, error_is = None, one.error_is
    else:
        error, error_is = (one.error or 0.0) + (other.error or 0.0), f"sum of both: {one.error_is}"
    return Difference(value, error, error_is, standard_error(paired))


def standard_error(draws: Tensor) -> float:
    """Of the mean of independent draws (m,); not a number for fewer than two."""
    return draws.double().std().item() / math.sqrt(len(draws)) if len(draws) > 1 else math.nan
