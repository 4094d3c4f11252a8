"""What carries NGF's effect: full NGF against NGF with one ingredient removed at a time.

Each variant is compared with full NGF on the same attack and seed; the interval of the mean
difference is that of `ngf_core.evidence.rank.estimate`, over attacks and seeds.
"""

from dataclasses import dataclass

import pandas as pd

from ngf_core.evidence.measures import BEFORE, MEASURES, wide
from ngf_core.evidence.rank import Estimate, difference, estimate

FULL = "ngf"


@dataclass(frozen=True)
class Variant:
    """NGF without one ingredient. `without` begins a sentence about it."""

    title: str
    without: str


# `ablate_tuning` recalibrates BatchNorm as all others do and then leaves the weights unchanged.
VARIANTS = {
    FULL: Variant("full NGF", "With everything"),
    "sgd": Variant("no natural gradient", "Without the natural gradient"),
    "ablate_regulariser": Variant("no regulariser", "Without the regulariser"),
    "ablate_trust_region": Variant("no trust region", "Without the trust region"),
    "ablate_frozen_bn": Variant("frozen BatchNorm", "With BatchNorm frozen"),
    "ablate_running_mean": Variant("Fisher of one batch", "With the Fisher of one batch"),
    "ablate_auto_layer": Variant("layer by rule", "On a layer chosen by rule"),
    "ablate_full_network": Variant("full network", "On all layers"),
    "ablate_tuning": Variant("BatchNorm only", "With BatchNorm recalibrated and no tuning"),
}


@dataclass(frozen=True)
class Effect:
    """A variant's own mean and its mean paired difference to full NGF; `expected` cells in all."""

    variant: str
    own: Estimate
    minus_full: Estimate
    expected: int


def values(cells: pd.DataFrame, measure: str) -> pd.DataFrame:
    """`measure` by attack and seed (rows) and variant (columns), NaN where a cell is missing.

    Every attacked model of the table has a row, whether any variant has been computed or not.
    """
    table = wide(cells, measure)
    models = wide(cells, "acc")
    rows = models.index[models[BEFORE].notna()] if BEFORE in models else table.index
    return table.reindex(index=rows, columns=list(VARIANTS)).astype(float)


def effects(cells: pd.DataFrame, measure: str) -> list[Effect]:
    """Every variant's effect on `measure`, in the order of `VARIANTS`; full NGF's own first."""
    table = values(cells, measure)
    return [Effect(name, estimate(table[name], MEASURES[measure].limits),
                   difference(table, name, FULL), len(table))
            for name in VARIANTS]


def carried(found: list[Effect], measure: str) -> list[str]:
    """What the ingredients do for `measure`, a rate: a sentence for each whose effect is resolved.

    measure: its name in the sentence. Those not resolved, and those not computed yet, are named
    together at the end.
    """
    sentences, unresolved, unknown = [], [], []
    for effect in found:
        if effect.variant == FULL:
            continue
        words, gap = VARIANTS[effect.variant].without, effect.minus_full
        if gap.n == 0:
            unknown.append(words)
        elif gap.sign == 0:
            unresolved.append(words)
        else:
            ends = sorted((abs(gap.low), abs(gap.high)))
            sentences.append(f"{words} {measure} {'rises' if gap.sign > 0 else 'falls'} by "
                        f"{100 * abs(gap.mean):.1f} points (95 %: {100 * ends[0]:.1f} to "
                        f"{100 * ends[1]:.1f}, n = {gap.n}).")
    for head, those in ((f"No difference in {measure} is resolved", unresolved),
                        ("Not computed yet", unknown)):
        if those:
            sentences.append(f"{head}: {', '.join(w[0].lower() + w[1:] for w in those)}.")
    return sentences
