"""Changes between paired readings, and means of readings, with 95 % intervals.

Rates are subtracted. Sharpness is compared by its ratio, since its logarithm is what has a
symmetric error; several ratios are averaged as logarithms. An interval is

- over two or more training seeds: the repeats of each seed are averaged, then it is that of
  `ngf_core.evidence.rank.estimate` over seeds (a t interval of paired differences);
- over repeats of one training seed: the same over repeats, which says nothing about other models;
- of one pair: over the images alone. For rates it is Newcombe's; for a ratio r it is
  r exp(-+ 1.96 s) with s^2 = (e1 / v1)^2 + (e2 / v2)^2, e the standard errors over images and of
  the computation. Runs keep no answers image by image, so both treat the two models as measured on
  different images: where right answers coincide, Newcombe's is then wider than it need be. The
  ratio's rests on errors that are small against the values; where they are not, it is a rough one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ngf_core.compare.pairs import Pair, by_training
from ngf_core.compare.readings import Reading
from ngf_core.evaluate.rates import newcombe
from ngf_core.evidence.rank import estimate

POINTS, RATIO = "points", "ratio"
IMAGES, REPEATS, SEEDS = "images", "repeats", "seeds"
_Z = 1.959964
_NO_LIMITS = (-math.inf, math.inf)


@dataclass(frozen=True)
class Interval:
    """A change or mean `middle` with its interval, NaN where there is none; over: IMAGES, REPEATS
    or SEEDS, and how many (`count`) of these."""

    middle: float
    low: float
    high: float
    over: str
    count: int


def change(unit: str, pairs: Sequence[Pair], values: Sequence[Reading], bases: Sequence[Reading]
           ) -> Interval:
    """values - bases (POINTS, as a fraction) or values / bases (RATIO), pair by pair, averaged."""
    if len(pairs) == 1:
        return _of_images(unit, values[0], bases[0])
    if unit == POINTS:
        return _averaged([one.value - base.value for one, base in zip(values, bases)], pairs,
                         (-1, 1))
    return _exp_of(_averaged([math.log(one.value / base.value)
                              for one, base in zip(values, bases)], pairs, _NO_LIMITS))


def level(unit: str, pairs: Sequence[Pair], values: Sequence[Reading]) -> Interval:
    """The mean of two readings or more, of a RATIO geometric."""
    if unit == POINTS:
        return _averaged([one.value for one in values], pairs, (0, 1))
    return _exp_of(_averaged([math.log(one.value) for one in values], pairs, _NO_LIMITS))


def mean(unit: str, values: Sequence[Reading]) -> float:
    """The mean of all readings alike, of a RATIO geometric."""
    if unit == POINTS:
        return sum(one.value for one in values) / len(values)
    return _exp(sum(math.log(one.value) for one in values) / len(values))


def _averaged(values: Sequence[float], pairs: Sequence[Pair], limits: tuple[float, float]
              ) -> Interval:
    told = {pair.run.id: value for pair, value in zip(pairs, values)}
    by_seed = by_training(pairs)
    if len(by_seed) > 1:
        told = {seed: sum(told[pair.run.id] for pair in of) / len(of)
                for seed, of in by_seed.items()}
    index = pd.MultiIndex.from_tuples([("", name) for name in told], names=["attack", "seed"])
    found = estimate(pd.Series(list(told.values()), index, dtype=float), limits)
    return Interval(found.mean, found.low, found.high, SEEDS if len(by_seed) > 1 else REPEATS,
                    found.n)


def _of_images(unit: str, one: Reading, base: Reading) -> Interval:
    if one.rate and base.rate:
        return Interval(one.value - base.value, *newcombe(one.rate, base.rate), IMAGES, 1)
    half = _Z * math.hypot(one.error / one.value, base.error / base.value)
    middle = math.log(one.value / base.value)
    return _exp_of(Interval(middle, middle - half, middle + half, IMAGES, 1))


def _exp_of(found: Interval) -> Interval:
    return Interval(_exp(found.middle), _exp(found.low), _exp(found.high), found.over, found.count)


def _exp(value: float) -> float:
    """e^value, infinite beyond what a float holds."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
