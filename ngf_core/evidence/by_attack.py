"""The benchmark attack by attack, in Markdown: what defenses leave, and which attacks are short."""

import math
from collections.abc import Sequence

import pandas as pd

from ngf_core.attacks import ATTACKS
from ngf_core.attacks.aim import missed
from ngf_core.evidence.aims import NGF, SGD
from ngf_core.evidence.entrants import ENTRANTS, PURIFIED
from ngf_core.evidence.markdown import markdown
from ngf_core.evidence.measures import BEFORE, BENIGN, wide
from ngf_core.evidence.rank import Estimate, difference, estimate

_COLUMNS = {BENIGN: "floor", BEFORE: "backdoored"} | {name: ENTRANTS[name].title
                                                     for name in PURIFIED}


def attack_by_attack(cells: pd.DataFrame) -> str:
    """One row per attack, the ASR of every seed in a cell: of the benign model under the trigger,
    the backdoored one, and after each defense of `PURIFIED`."""
    asr = wide(cells, "asr")
    columns = [name for name in _COLUMNS if name in asr]
    seeds = sorted(asr.index.unique("seed"))
    rows = [[ATTACKS[attack].title, *(
        " / ".join(map(_percent, asr.loc[attack, name].reindex(seeds))) for name in columns)]
            for attack in ATTACKS if attack in asr.index]
    told = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    return markdown([f"ASR % at {told}", *(_COLUMNS[name] for name in columns)], rows)


def short_of_aims(cells: pd.DataFrame) -> str:
    """One row per backdoored model that misses an aim of its attack (`missed`), with its ASR, the
    ACC it lost and the floor; what misses is bold. Then the mean ASR without these models, after
    NGF and SGD, and the paired difference, with 95 % intervals."""
    short = _short(cells)
    if not short:
        return ""
    rows = [[ATTACKS[attack].title, str(seed),
             *(f"**{_percent(value)}**" if miss else _percent(value)
               for value, miss in zip(*short[attack, seed], strict=True))]
            for attack in ATTACKS for seed in sorted(s for a, s in short if a == attack)]
    head = ["attack that misses an aim", "seed", "ASR %", "ACC lost, points", "floor %"]
    return "\n\n".join(filter(None, [markdown(head, rows), _without(cells, list(short))]))


def _short(cells: pd.DataFrame) -> dict[tuple[str, int], tuple[tuple[float, ...], Sequence[bool]]]:
    """By attack and seed, of models that miss an aim: ASR, ACC lost and floor; which they miss."""
    asr, acc = (wide(cells, name).reindex(columns=[BEFORE, BENIGN]) for name in ("asr", "acc"))
    found = {}
    for attack, seed in asr.index:
        took, floor = asr.loc[(attack, seed)]
        before, benign = acc.loc[(attack, seed)]
        values = took, benign - before, floor
        if any(misses := missed(attack, *values)):
            found[attack, seed] = values, misses
    return found


def _without(cells: pd.DataFrame, short: list[tuple[str, int]]) -> str:
    asr = wide(cells, "asr").reindex(columns=[NGF, SGD]).dropna()
    asr = asr.drop(index=short, errors="ignore")
    if asr.empty:
        return ""
    after = [_interval(estimate(asr[name], (0, 1)), "%") for name in (NGF, SGD)]
    gap = _interval(difference(asr, NGF, SGD), "points")
    which = f"these {len(short)} models" if len(short) > 1 else "this model"
    return (f"- Without {which} NGF leaves an ASR of {after[0]} and one-layer "
            f"SGD {after[1]}; NGF minus SGD {gap} (n = {len(asr)}).")


def _interval(of: Estimate, unit: str) -> str:
    interval = "" if math.isnan(of.low) else f" [{_percent(of.low)}, {_percent(of.high)}]"
    return f"{_percent(of.mean)} {unit}{interval}"


def _percent(share: float) -> str:
    return "–" if pd.isna(share) else f"{100 * share:.1f}".replace("-", "−")
