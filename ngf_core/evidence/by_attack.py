"""The benchmark attack by attack, in Markdown: what defenses leave, and which attacks are short."""

import pandas as pd

from ngf_core.attacks import ATTACKS
from ngf_core.attacks.aim import missed
from ngf_core.evidence.entrants import ENTRANTS, PURIFIED
from ngf_core.evidence.markdown import markdown
from ngf_core.evidence.measures import BEFORE, BENIGN, wide

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
    ACC it lost and the floor; what misses is bold."""
    asr, acc = (wide(cells, name).reindex(columns=[BEFORE, BENIGN]) for name in ("asr", "acc"))
    rows = []
    for attack, seed in asr.index:
        took, floor = asr.loc[(attack, seed)]
        before, benign = acc.loc[(attack, seed)]
        values = took, benign - before, floor
        misses = missed(attack, *values)
        if any(misses):
            rows.append((list(ATTACKS).index(attack), seed, [
                ATTACKS[attack].title, str(seed),
                *(f"**{_percent(value)}**" if miss else _percent(value)
                  for value, miss in zip(values, misses, strict=True))]))
    head = ["attack that misses an aim", "seed", "ASR %", "ACC lost, points", "floor %"]
    return markdown(head, [row for *_, row in sorted(rows)]) if rows else ""


def _percent(share: float) -> str:
    return "–" if pd.isna(share) else f"{100 * share:.1f}".replace("-", "−")
