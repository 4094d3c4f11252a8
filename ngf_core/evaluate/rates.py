"""ACC, ASR, RA and DER, with their counts and intervals."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ngf_core.errors import ConfigError, RunError

RATES = ("acc", "asr", "ra")
UNDEFINED = "undefined"


@dataclass(frozen=True)
class Rate:
    """`hits` of `n` images; undefined where n = 0."""

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

    def at_chance(self, classes: int) -> bool:
        """Whether an ACC is not resolved from guessing among so many classes: its interval reaches
        1 / classes. A defense that leaves such a model has destroyed it."""
        return self.n > 0 and classes > 1 and self.interval[0] <= 1 / classes

    def percent(self, digits: int = 1) -> str:
        """The value as "97.3 %", "undefined" for n = 0."""
        return f"{100 * self.value:.{digits}f} %" if self.n else UNDEFINED

    def to_json(self) -> dict[str, int]:
        """The rate as stored in a manifest: {"hits", "n"}."""
        return {"hits": self.hits, "n": self.n}

    @classmethod
    def from_json(cls, counts: Any) -> "Rate | None":
        """The rate that `to_json` wrote, None where it was not measured (None).

        Raises RunError where `counts` is anything but {"hits", "n"} with whole 0 <= hits <= n.
        """
        if counts is None:
            return None
        if not (is_rate(counts) and all(type(number) is int for number in counts.values())
                and 0 <= counts["hits"] <= counts["n"]):
            raise RunError(f"{counts!r} is not a rate: a rate is {{\"hits\", \"n\"}} with whole "
                           "numbers 0 <= hits <= n. Make the run again.")
        return cls(counts["hits"], counts["n"])


def is_rate(value: Any) -> bool:
    """Whether an entry of a manifest's results is meant as a rate: only "hits" and "n" in it."""
    return isinstance(value, Mapping) and set(value) == {"hits", "n"}


def wilson(hits: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """(p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n) with p = hits / n."""
    if n == 0:
        return 0.0, 1.0
    p = hits / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def newcombe(one: Rate, other: Rate) -> tuple[float, float]:
    """The 95 % interval of p1 - p2, p = hits / n, from the Wilson intervals (l, u) of both:

        d - sqrt((p1 - l1)^2 + (u2 - p2)^2)  to  d + sqrt((u1 - p1)^2 + (p2 - l2)^2),  d = p1 - p2

    (Newcombe 1998, Statistics in Medicine 17:873-890, method 10). It takes the two as independent:
    on the same images, where right answers tend to coincide, it is too wide and never claims more
    than they show. (NaN, NaN) where a rate is undefined.
    """
    if not one.n or not other.n:
        return math.nan, math.nan
    (low1, high1), (low2, high2) = one.interval, other.interval
    change = one.value - other.value
    return (change - math.hypot(one.value - low1, high2 - other.value),
            change + math.hypot(high1 - one.value, other.value - low2))


@dataclass(frozen=True)
class Evaluation:
    """How one model performs: clean accuracy, and for a backdoored one the triggered images' fate.

    acc: clean test images given their label. asr: triggered images, of those whose label the
    attack would change, given the attacker's label. ra: the same images given their true label.
    """

    acc: Rate
    asr: Rate | None
    ra: Rate | None

    def rates(self) -> dict[str, Rate]:
        """The measured rates by name."""
        named = {name: getattr(self, name) for name in RATES}
        return {name: rate for name, rate in named.items() if rate is not None}

    def of_attack(self) -> tuple[Rate, Rate]:
        """ASR and RA. Raises RunError where the model was evaluated without an attack."""
        if self.asr is None or self.ra is None:
            raise RunError("ASR and RA were not measured: the model was evaluated without an "
                           "attack. Name a backdoored model.")
        return self.asr, self.ra

    def to_json(self) -> dict[str, dict[str, int] | None]:
        """As stored in a manifest: {"acc": {"hits", "n"}, "asr": ..., "ra": ...}."""
        measured = self.rates()
        return {name: measured[name].to_json() if name in measured else None for name in RATES}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Evaluation":
        """The rates in a manifest's entry of one model, whatever else the entry holds.

        Raises RunError where one of them is not a rate, and where there is no ACC.
        """
        acc, asr, ra = (Rate.from_json(entry.get(name)) for name in RATES)
        if acc is None:
            raise RunError(f"The entry with {', '.join(entry) or 'nothing'} holds no ACC, so it is "
                           "not the evaluation of a model. Make the run again.")
        return cls(acc, asr, ra)


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
