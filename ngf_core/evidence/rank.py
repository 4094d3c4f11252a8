"""Means with honest intervals, and ranks that claim no more than the intervals allow.

The units are attacks and seeds, not test images: a defense that works on these attacks and seeds
may fail on others, and a thousand more test images would not reveal that. A cell is one attack and
seed; x_c is a defense's score there, or, for a pair of defenses, the difference of their scores on
the same cell. With e_c = x_c - mean and n cells, the variance of the mean has a part for the choice
of attacks and one for that of seeds, each of the sandwich form clustered that way,

    V_A = A / (A - 1)  sum over attacks of (sum of e_c over the attack's cells)^2 / n^2,

V_S likewise over seeds, V = V_A + V_S, and the 95 % interval is mean -+ t sqrt(V) with
Satterthwaite's degrees of freedom V^2 / (V_A^2 / (A - 1) + V_S^2 / (S - 1)). Subtracting the part
that both count (Cameron, Gelbach and Miller 2011) would make it exact for many clusters; with three
seeds it is left in, on the safe side. In simulations of 13 attacks x 3 seeds with attack, seed and
cell effects of any proportion this covers 93 to 99 %, where a percentile bootstrap over attacks and
seeds falls to 82 %. With two seeds it covers 88 to 99 %, least where seeds and cells vary alike.

Where all cells share one attack (seed), the interval covers seeds (attacks) alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd
from scipy.special import stdtrit

from ngf_core.errors import NGFError

FEW = 5  # cells: with fewer a defense has no rank


@dataclass(frozen=True)
class Estimate:
    """`mean` over `n` cells, its 95 % interval (NaN where nothing repeats), and `spread`, the
    standard deviation of single cells."""

    mean: float
    low: float
    high: float
    spread: float
    n: int

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies on one side of zero, else 0: not resolved."""
        return int(self.low > 0) - int(self.high < 0)

    def in_percent(self, unit: str = "", *, signed: bool = False) -> str:
        """A mean of fractions with its interval: "24.2 % [0.0, 56.4]".

        unit: what follows the mean. signed: positive numbers have a plus.
        """
        mean, low, high = (f"{100 * value:{'+' * signed}.1f}".replace("-", "−")
                           for value in (self.mean, self.low, self.high))
        return f"{mean}{unit}" + ("" if math.isnan(self.low) else f" [{low}, {high}]")


def estimate(values: pd.Series, limits: tuple[float, float] = (-math.inf, math.inf)) -> Estimate:
    """The mean of values indexed by (attack, seed), with the interval above; NaNs are left out, and
    the interval is clipped to the `limits` that no value can exceed.

    Raises NGFError where a cell occurs twice.
    """
    values = values.dropna()
    if values.index.has_duplicates:
        raise NGFError("The table of the benchmark has a cell twice. Compute it again with "
                       "`python -m ngf_core benchmark`.")
    n = len(values)
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, math.nan, 0)
    mean = float(values.mean())
    half = _half_width(_variances(values - mean))
    low, high = max(mean - half, limits[0]), min(mean + half, limits[1])
    if math.isnan(half):
        low = high = math.nan
    return Estimate(mean, low, high, float(values.std()), n)


def _variances(errors: pd.Series) -> list[tuple[float, int]]:
    """(variance of the mean, degrees of freedom) by attacks and by seeds, where they repeat."""
    parts = []
    for level in ("attack", "seed"):
        sums = errors.groupby(level=level).sum()
        count = len(sums)
        if count > 1:
            parts.append((count / (count - 1) * float((sums**2).sum()) / len(errors)**2, count - 1))
    return parts


def _half_width(parts: Sequence[tuple[float, int]]) -> float:
    if not parts:
        return math.nan
    total = sum(variance for variance, _ in parts)
    if total == 0:
        return 0.0
    freedom = total**2 / sum(variance**2 / df for variance, df in parts)
    return float(stdtrit(freedom, 0.975)) * math.sqrt(total)


def difference(wide: pd.DataFrame, one: str, other: str) -> Estimate:
    """one - other, cell by cell, on the cells that both have."""
    return estimate(wide[one] - wide[other])


def ranked(wide: pd.DataFrame) -> list[str]:
    """The entrants with at least `FEW` cells: against fewer nothing would be resolved, and so all
    would be tied. Where all have fewer, all with any."""
    counts = wide.count()
    return list(counts.index[counts >= FEW]) or list(counts.index[counts > 0])


def ranking(wide: pd.DataFrame, *, higher_is_better: bool,
            limits: tuple[float, float] = (-math.inf, math.inf)) -> pd.DataFrame:
    """One row per entrant with any cell, the best mean first: mean, low, high, spread, n, place,
    first, last.

    wide: cells (attack, seed) by entrants. `place` is that order. Another entrant
    is better (worse) where the paired difference, on the cells that both have, is resolved: its
    95 % interval lies on one side of zero. Then

        first = 1 + how many are better,    last = N - how many are worse.

    An entrant thus shares the rank of each better one that it is not resolved from. With A ~ B,
    B ~ C but A better than C they are 1-2, 1-3 and 2-3. Each pair is judged at 95 % separately.
    Entrants that are not `ranked` stand below and have no rank (0).
    """
    entrants = [name for name in wide if wide[name].notna().any()]
    field = ranked(wide)
    sign = 1 if higher_is_better else -1
    signs: dict[str, list[int]] = {name: [] for name in field}
    for one, other in combinations(field, 2):
        found = sign * difference(wide, one, other).sign
        signs[one].append(found)
        signs[other].append(-found)
    rows = []
    for name in entrants:
        own = estimate(wide[name], limits)
        first, last = 0, 0
        if name in signs:
            first, last = 1 + signs[name].count(-1), len(field) - signs[name].count(1)
        rows.append({"entrant": name, "mean": own.mean, "low": own.low, "high": own.high,
                     "spread": own.spread, "n": own.n, "first": first, "last": last})
    columns = ["entrant", "mean", "low", "high", "spread", "n", "first", "last"]
    table = pd.DataFrame(rows, columns=columns)
    table = table.sort_values("mean", ascending=not higher_is_better, kind="stable")
    table = table.sort_values("first", key=lambda first: first == 0, kind="stable")
    table.insert(0, "place", range(1, len(table) + 1))
    return table.set_index("entrant")


def rank_text(first: int, last: int) -> str:
    """"3", or "1-3" with an en dash for a tie, padded so that texts sort as their numbers do; ""
    where there is no rank."""
    if not first:
        return ""
    return f"{first:>2}" if first == last else f"{first:>2}–{last}"
