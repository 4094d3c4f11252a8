"""ACC, ASR, RA and DER, with their counts and intervals."""

import math
from dataclasses import dataclass

from ngf_core.errors import ConfigError


@dataclass(frozen=True)
class Rate:
    """`hits` of `n` images."""

    hits: int
    n: int

    @property
    def value(self) -> float:
        """hits / n, NaN for n = 0."""
        return self.hits / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval (Wilson 1927); (0, 1) for n = 0."""
        return wilson(self.hits, self.n)


def wilson(hits: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """(p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n) with p = hits / n."""
    if n == 0:
        return 0.0, 1.0
    p = hits / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


@dataclass(frozen=True)
class Evaluation:
    """How one model does: clean accuracy, and for a backdoored one what triggered images become.

    acc: clean test images given their label. asr: triggered images, of those whose label the
    attack would change, given the attacker's label. ra: the same images given their true label.
    """

    acc: Rate
    asr: Rate | None
    ra: Rate | None

    def rates(self) -> dict[str, Rate]:
        """The measured rates by name."""
        named = {"acc": self.acc, "asr": self.asr, "ra": self.ra}
        return {name: rate for name, rate in named.items() if rate is not None}


def der(before: Evaluation, after: Evaluation) -> float:
    """Defense effectiveness (max(0, dASR) - max(0, dACC) + 1) / 2 with d = before - after, 0 to 1.

    Raises ConfigError where a model was evaluated without an attack.
    """
    if before.asr is None or after.asr is None:
        raise ConfigError("attack", "DER compares ASR, and a benign model has none",
                          "Compare backdoored models.")
    gain = max(0.0, before.asr.value - after.asr.value)
    cost = max(0.0, before.acc.value - after.acc.value)
    return (gain - cost + 1) / 2


def counts(evaluation: Evaluation) -> dict[str, dict[str, int] | None]:
    """An evaluation as it stands in a manifest: {"acc": {"hits", "n"}, "asr": ..., "ra": ...}."""
    return {name: {"hits": rate.hits, "n": rate.n} if rate is not None else None
            for name, rate in (("acc", evaluation.acc), ("asr", evaluation.asr),
                               ("ra", evaluation.ra))}
