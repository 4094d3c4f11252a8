"""The benchmark attack by attack, in Markdown: what defenses leave, and which attacks are short."""

import pandas as pd

from ngf_core.attacks import ATTACKS
from ngf_core.evidence.entrants import ENTRANTS, PURIFIED
from ngf_core.evidence.markdown import markdown
from ngf_core.evidence.measures import BEFORE, BENIGN, wide

MOST_LOST, MOST_FLOOR = 0.02, 0.10
_COLUMNS = {BENIGN: "floor", BEFORE: "backdoored"} | {name: ENTRANTS[name].title
                                                     for name in PURIFIED}


def attack_by_attack(cells: pd.DataFrame) -> str:
    """One row per attack, the ASR of every seed in a cell: of the benign model under the trigger,
    the backdoored one, and after each defense of `PURIFIED`."""
    asr = wide(cells, "asr")
    columns = [name for name in _COLUMNS if name in asr]
    seeds = sorted(asr.index.unique("seed"))
    rows = [[ATTACKS[attack].title, *(_over(asr.loc[attack, name].reindex(seeds))
                                      for name in columns)]
            for attack in ATTACKS if attack in asr.index]
    told = ", ".join(map(str, seeds))
    return markdown([f"ASR % at seeds {told}", *(_COLUMNS[name] for name in columns)], rows)


def short_of_aims(cells: pd.DataFrame) -> str:
    """One row per backdoored model that misses an aim of its attack: ASR below the attack's, more
    than `MOST_LOST` of ACC below the benign model's, or a floor above `MOST_FLOOR`. What misses is
    bold."""
    asr, acc = wide(cells, "asr"), wide(cells, "acc")
    if not {BEFORE, BENIGN} <= set(asr):
        return ""
    rows = []
    for attack, seed in asr.index:
        took, floor = asr.loc[(attack, seed), [BEFORE, BENIGN]]
        lost = acc.loc[(attack, seed), BENIGN] - acc.loc[(attack, seed), BEFORE]
        values = [(took, took < ATTACKS[attack].aim), (lost, round(lost, 9) > MOST_LOST),
                  (floor, floor > MOST_FLOOR)]
        if any(misses for _, misses in values):
            rows.append((list(ATTACKS).index(attack), seed, [
                ATTACKS[attack].title, str(seed), *(f"**{_percent(value)}**" if misses else
                                                    _percent(value) for value, misses in values)]))
    head = ["attack that misses an aim", "seed", "ASR %", "ACC lost, points", "floor %"]
    return markdown(head, [row for *_, row in sorted(rows)]) if rows else ""


def _over(seeds: pd.Series) -> str:
    return " / ".join("–" if pd.isna(value) else _percent(value) for value in seeds)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}".replace("-", "−")
