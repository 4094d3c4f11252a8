"""The benchmark attack by attack, in Markdown: what defenses leave, and which attacks are short."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ngf_core.attacks import ATTACKS
from ngf_core.attacks.aim import Missed, missed
from ngf_core.evidence.aims import NGF, SGD
from ngf_core.evidence.entrants import ENTRANTS, PURIFIED
from ngf_core.evidence.markdown import markdown
from ngf_core.evidence.measures import BEFORE, BENIGN, wide
from ngf_core.evidence.rank import difference, estimate

_COLUMNS = {BENIGN: "benign", BEFORE: "backdoored"} | {name: ENTRANTS[name].title
                                                     for name in PURIFIED}


def attack_by_attack(cells: pd.DataFrame, rate: str) -> str:
    """One row per attack, `rate` (asr, acc or ra) of every seed in a cell: of the benign model,
    whose ASR is the floor, of the backdoored one, and after each defense of `PURIFIED`."""
    table = wide(cells, rate)
    columns = [name for name in _COLUMNS if name in table]
    seeds = sorted(table.index.unique("seed"))
    rows = [[ATTACKS[attack].title, *(
        " / ".join(map(_percent, table.loc[attack, name].reindex(seeds))) for name in columns)]
            for attack in ATTACKS if attack in table.index]
    told = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    heads = _COLUMNS | ({BENIGN: "floor"} if rate == "asr" else {})
    return markdown([f"{rate.upper()} % at {told}", *(heads[name] for name in columns)], rows)


@dataclass(frozen=True)
class Short:
    """A backdoored model that misses an aim of its attack: ASR, ACC lost and floor (fractions), and
    which of the three miss."""

    attack: str
    seed: int
    values: tuple[float, float, float]
    misses: Missed


def short_of_aims(cells: pd.DataFrame) -> str:
    """One row per backdoored model that misses an aim of its attack (`missed`), with its ASR, the
    ACC it lost and the floor; what misses is bold. Then the mean ASR without these models, after
    NGF and SGD, and the paired difference, with 95 % intervals."""
    found = _short(cells)
    if not found:
        return ""
    rows = [[ATTACKS[one.attack].title, str(one.seed),
             *(f"**{_percent(value)}**" if miss else _percent(value)
               for value, miss in zip(one.values, one.misses, strict=True))] for one in found]
    head = ["attack that misses an aim", "seed", "ASR %", "ACC lost, points", "floor %"]
    return "\n\n".join(filter(None, [markdown(head, rows), _without(cells, found)]))


def _short(cells: pd.DataFrame) -> list[Short]:
    """Those models, in the order of the attacks."""
    asr, acc = (wide(cells, name).reindex(columns=[BEFORE, BENIGN]) for name in ("asr", "acc"))
    found = []
    for attack, seed in asr.index:
        took, floor = asr.loc[(attack, seed)]
        before, benign = acc.loc[(attack, seed)]
        values = took, benign - before, floor
        if any(misses := missed(attack, *values)):
            found.append(Short(attack, seed, values, misses))
    return sorted(found, key=lambda one: (list(ATTACKS).index(one.attack), one.seed))


def _without(cells: pd.DataFrame, short: Sequence[Short]) -> str:
    asr = wide(cells, "asr").reindex(columns=[NGF, SGD]).dropna()
    asr = asr.drop(index=[(one.attack, one.seed) for one in short], errors="ignore")
    if asr.empty:
        return ""
    after = [estimate(asr[name], (0, 1)).in_percent(" %") for name in (NGF, SGD)]
    gap = difference(asr, NGF, SGD).in_percent(" points")
    which = f"these {len(short)} models" if len(short) > 1 else "this model"
    return (f"- Without {which} NGF leaves an ASR of {after[0]} and one-layer "
            f"SGD {after[1]}; NGF minus SGD {gap} (n = {len(asr)}).")


def _percent(share: float) -> str:
    return "–" if pd.isna(share) else f"{100 * share:.1f}".replace("-", "−")
