"""What the benchmark was to show about NGF, and whether it did: computed from the table alone."""

from dataclasses import dataclass

import pandas as pd

from ngf_core.attacks import ATTACKS
from ngf_core.evidence.entrants import ENTRANTS
from ngf_core.evidence.measures import MEASURES, wide
from ngf_core.evidence.rank import difference, estimate, rank_text, ranking

NGF, SGD = "ngf", "sgd"
MOST_ASR, MOST_DROP = 0.10, 0.02
MOST_TIED, CHEAP_AMONG = 3, 5
FIELD = 6  # so many defenses have to be compared for the best place to mean anything
_WORDS = {3: "three", 5: "five"}


@dataclass(frozen=True)
class Aim:
    """The aim, whether it was met (None: not decidable), and the figures."""

    what: str
    met: bool | None
    found: str


def defenses_only(cells: pd.DataFrame) -> pd.DataFrame:
    """The rows of the leaderboard's defenses."""
    return cells[cells["group"] == "defense"]


def aims(cells: pd.DataFrame) -> list[Aim]:
    """The four aims, each with its verdict and figures; means over attacks and seeds, with their
    95 % intervals over both (`rank`).

    Means of defenses are compared on the cells that all of them have, so that a partial benchmark
    favours none; a defense with under half of NGF's cells is left out of that and named. A mean
    over some of the attacks is no verdict, nor is being better on some one on every attack (being
    worse on one is, with several seeds), nor being the best of a few defenses one on all.
    """
    defenses = set(defenses_only(cells)["entrant"])
    of = {name: wide(cells, name) for name in ("asr", "acc_drop", "der", "cpu_seconds")}
    of = {name: table[[d for d in table if d in defenses]] for name, table in of.items()}
    counts = of["der"].notna().sum()
    field = [d for d in counts.index if 2 * counts[d] >= counts.get(NGF, 0)]
    absent = [_title(d) for d in counts.index if d not in field]
    shared = of["der"][field].dropna()
    return [_removed(of["asr"], of["acc_drop"]), _below_sgd(of["asr"]), _top(shared, absent),
            _cheapest(shared, of["cpu_seconds"].reindex(shared.index))]


def _removed(asr: pd.DataFrame, drop: pd.DataFrame) -> Aim:
    what = (f"NGF on the last layer ends with a mean ASR of at most {MOST_ASR:.0%} and a mean "
            f"clean-accuracy drop of at most {100 * MOST_DROP:.0f} points").replace("%", " %")
    if NGF not in asr or NGF not in drop:
        return Aim(what, None, "NGF has no finished cell.")
    left, lost = estimate(asr[NGF], MEASURES["asr"].limits), estimate(drop[NGF])
    if not left.n or not lost.n:
        return Aim(what, None, "No cell has the rates of NGF and of the backdoored model.")
    text = (f"ASR {left.in_percent(' %')}, ACC drop {lost.in_percent(' points')}, over "
            f"{_cells(left.n, 'attack-seed cell')}.{_by_seed('ASR seed', asr[NGF], ' %')}")
    attacks = asr[NGF].dropna().index.unique("attack")
    if len(attacks) < len(ATTACKS):
        return Aim(what, None, f"{text} On {len(attacks)} of {len(ATTACKS)} attacks that is no "
                               "verdict.")
    # Rounded, since 0.99 - 0.97 is a little more than 0.02 in floats.
    met = round(left.mean, 9) <= MOST_ASR and round(lost.mean, 9) <= MOST_DROP
    return Aim(what, met, text)


def _below_sgd(asr: pd.DataFrame) -> Aim:
    what = "NGF ends with a lower ASR than one-layer SGD on every attack, by a resolved margin"
    if NGF not in asr or SGD not in asr:
        return Aim(what, None, "NGF or SGD has no finished cell.")
    shared = asr[[NGF, SGD]].dropna()
    if shared.empty:
        return Aim(what, None, "NGF and SGD share no cell.")
    both = shared.groupby(level="attack").mean()
    resolved = [attack for attack, of in shared.groupby(level="attack")
                if difference(of, NGF, SGD).sign < 0]
    lower, equal = both[NGF] < both[SGD], both[NGF] == both[SGD]
    whole, seeds = len(both) == len(ATTACKS), shared.index.unique("seed")
    text = f"It does on {lower.sum()} of {len(both)}"
    text += "" if whole else f" attack{'s' * (len(both) > 1)} computed, out of {len(ATTACKS)}"
    text += f"; resolved over its seeds on {len(resolved)}"
    text += f" ({', '.join(map(_attack, resolved))})" if 0 < len(resolved) < len(both) else ""
    if equal.any():
        text += "; it is equal on " + ", ".join(
            f"{_attack(attack)} ({100 * row[NGF]:.1f} %)" for attack, row in both[equal].iterrows())
    if not (lower | equal).all():
        text += "; not on " + ", ".join(
            f"{_attack(attack)} ({100 * row[NGF]:.1f} against {100 * row[SGD]:.1f} %)"
            for attack, row in both[~lower & ~equal].iterrows())
    text += (f". Mean difference {difference(asr, NGF, SGD).in_percent(' points')}."
             f"{_by_seed('Seed', asr[NGF] - asr[SGD])}")
    if len(seeds) == 1:
        return Aim(what, None, f"{text} With one seed no margin can be resolved.")
    return Aim(what, (whole and len(resolved) == len(both) or None) if lower.all() else False, text)


def _top(der: pd.DataFrame, absent: list[str]) -> Aim:
    what = f"NGF ranks first of all defenses by DER, tied with at most {_WORDS[MOST_TIED]}"
    ranks = ranking(der, higher_is_better=True)
    if NGF not in ranks.index:
        return Aim(what, None, _unranked(der))
    mine = ranks.loc[NGF]
    place = int(mine["place"])
    tied = rank_text(int(mine["first"]), int(mine["last"])).strip()
    text = (f"Its mean DER of {100 * mine['mean']:.1f} % is the {_ordinal(place)} of {len(ranks)}; "
            f"with the ties that the intervals leave, its rank is {tied} (over "
            f"{_cells(len(der))} that all share).")
    if place > 1:
        ahead = ", ".join(f"{_title(name)} {100 * ranks.loc[name, 'mean']:.1f} %"
                          for name in ranks.index[:place - 1])
        text += f" Ahead of it: {ahead}."
    if absent:
        text += f" Left out, with under half of its cells: {', '.join(absent)}."
    met = bool(mine["first"] == 1 and mine["last"] - mine["first"] <= MOST_TIED)
    if met and len(ranks) < FIELD:
        return Aim(what, None, f"{text} Among fewer than {FIELD} that is no verdict on all.")
    return Aim(what, met, text)


def _cheapest(der: pd.DataFrame, seconds: pd.DataFrame) -> Aim:
    what = f"NGF is the cheapest of the top {_WORDS[CHEAP_AMONG]} by DER, in seconds"
    ranks = ranking(der, higher_is_better=True)
    top = [name for name in ranks.index[:CHEAP_AMONG] if name in seconds]
    if NGF not in ranks.index or NGF not in seconds:
        return Aim(what, None, _unranked(der))
    cost = seconds.mean()[top].sort_values()
    text = "Seconds on one processor thread: " + ", ".join(
        f"{_title(name)} {value:.1f}" for name, value in cost.items()) + "."
    if NGF not in top:
        place = int(ranks.loc[NGF, "place"])
        return Aim(what, False, f"It is not among them (place {place}); it takes "
                                f"{seconds[NGF].mean():.1f} s. {text}")
    if len(top) < CHEAP_AMONG:
        return Aim(what, None, f"{text} Fewer than {_WORDS[CHEAP_AMONG]} are compared.")
    return Aim(what, cost.index[0] == NGF, text)


def _cells(count: int, word: str = "cell") -> str:
    return f"{count} {word}{'s' * (count != 1)}"


def _unranked(der: pd.DataFrame) -> str:
    return "No cell is finished for all of them." if NGF in der else "NGF has no finished cell."


def _by_seed(what: str, values: pd.Series, unit: str = "") -> str:
    """The mean of each seed, where there are several."""
    seeds = values.dropna().groupby(level="seed").mean()
    told = ", ".join(f"{100 * mean:.1f}{unit} ({seed})" for seed, mean in seeds.items())
    return f" {what} by seed: {told}.".replace("-", "−") if len(seeds) > 1 else ""


def _attack(name: str) -> str:
    return ATTACKS[name].title if name in ATTACKS else name


def _title(defense: str) -> str:
    return ENTRANTS[defense].title if defense in ENTRANTS else defense


def _ordinal(number: int) -> str:
    if 10 <= number % 100 <= 20:
        return f"{number}th"
    return f"{number}" + {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")

