"""The channels that a trigger switches on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ngf_core.errors import ConfigError

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Shift:
    """How far the trigger moves each of c channels, in standard deviations of clean images.

    value: (mean triggered - mean clean) / sd clean, (c,); NaN for a channel that is the same on all
    clean images. error: its standard error over images, with the standard deviation taken as known.
    paired: whether the clean images are the triggered ones without their trigger.
    """

    value: Floats
    error: Floats
    paired: bool

    def on(self, count: int) -> list[int]:
        """At most `count` channels: those that the trigger moves up, the most moved first."""
        up = np.flatnonzero(self.value > 0)
        return [int(c) for c in up[np.argsort(-self.value[up], kind="stable")][:count]]


def shift(clean: Floats, triggered: Floats, paired: bool) -> Shift:
    """The shift of mean activations; clean (n, c), triggered (m, c).

    Paired, the error is sd(triggered - clean) / √n, else √(var clean / n + var triggered / m); both
    over the clean standard deviation, all with n - 1. Raises ConfigError for fewer than two images
    on a side, numbers of channels that differ, and pairs of different numbers.
    """
    if min(len(clean), len(triggered)) < 2 or clean.shape[1:] != triggered.shape[1:] or (
            paired and len(clean) != len(triggered)):
        raise ConfigError("channels", f"clean ones are {clean.shape}, triggered {triggered.shape}",
                          "Give at least two images on each side with the same channels, and equal "
                          "numbers where they are pairs.")
    clean, triggered = clean.astype(np.float64), triggered.astype(np.float64)
    spread = clean.std(0, ddof=1)
    if paired:
        error = (triggered - clean).std(0, ddof=1) / np.sqrt(len(clean))
    else:
        error = np.sqrt(clean.var(0, ddof=1) / len(clean)
                        + triggered.var(0, ddof=1) / len(triggered))
    alive = np.where(spread > 0, spread, np.nan)
    return Shift((triggered.mean(0) - clean.mean(0)) / alive, error / alive, paired)
