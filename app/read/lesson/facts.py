"""The numbers that the lesson's sentences quote: read from shipped runs, by name.

A fact is named in a text as `{works}` and written beside it as the place where it stands:

    works = "signs-badnets-s0-race before asr"      a run, and the way to the number in its results
    steps = "signs-badnets-s0-race config steps"    or in its settings
    kinds = "signs-badnets-s0-train class_names"    of a list of names, how many there are
    times = "signs-badnets-s0-spectrum ngf lambda_max / before lambda_max"       a quotient
    share = "signs-badnets-s0-train poisoned / train_images %"      a quotient in percent
    cured = "zoo cured ngf"                         counted over the shipped races on backdoors
    small = "rescaled lambda_max 0.125"             of the layer made so many times as large
"""

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from app import state
from app.read.all_models import all_models, left
from app.read.lesson.rescaled import rescaled
from app.text import define
from ngf_core.errors import NGFError
from ngf_core.evaluate.rates import Evaluation, Rate, der, is_rate
from ngf_core.runs import Run

ZOO, RESCALED, CURED = "zoo", "rescaled", 0.1
WORD = re.compile(r"\[\[([^\]|]+)(?:\|([^\]]+))?\]\]")
NAMED = re.compile(r"\{(\w+)(?:\.(n|interval|words))?\}")
NUMBERS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
           "eleven", "twelve")


@dataclass(frozen=True)
class Fact:
    """A number as a sentence says it. n: the images or models behind it; low, high: the ends of its
    95 % interval as they are said; words: a small whole number in letters. `value` is of 1 where
    the text is in percent."""

    value: float
    text: str
    n: str = ""
    low: str = ""
    high: str = ""

    @property
    def interval(self) -> str:
        """The interval in words."""
        return f"{self.low} to {self.high}"

    @property
    def words(self) -> str:
        """The number in letters up to twelve, else in digits."""
        whole = self.value == int(self.value) and 0 <= self.value < len(NUMBERS)
        return NUMBERS[int(self.value)] if whole else self.text

    def __str__(self) -> str:
        return self.text


def fact(place: str) -> Fact:
    """The number at a place. Raises NGFError where there is none."""
    name, *path = place.split()
    if name == ZOO:
        return _over_zoo(place, path)
    if name == RESCALED:
        return _of_rescaled(place, path)
    if name in DERIVED:
        return DERIVED[name](*path)
    run = state.store().get(name)
    manifest = run.manifest
    root = {"config": manifest["config"], **run.results}
    if "/" not in path:
        return _as_fact(place, _at(place, root, path))
    in_percent, cut = path[-1] == "%", path.index("/")
    over, under = (_at(place, root, part)
                   for part in (path[:cut], path[cut + 1:len(path) - in_percent]))
    value = _number(over) / _number(under)
    if in_percent:
        return Fact(value, f"{100 * value:.1f} %")
    return Fact(value, f"{value:.1f}" if value >= 1 else f"{value:.2f}")


def facts(places: Mapping[str, str]) -> dict[str, Fact]:
    """The numbers at several places, by their names."""
    return {name: fact(place) for name, place in places.items()}


def told(text: str, known: Mapping[str, Fact], *, hints: bool = True) -> str:
    """A text with its facts and with its [[words]] of the glossary, whose definitions are one hover
    away where `hints`. [[a share|ASR]] shows "a share" and explains ASR.

    Raises NGFError for a fact or a word that is not known.
    """
    def number(found: re.Match[str]) -> str:
        if found[1] not in known:
            raise NGFError(f"The text quotes {{{found[1]}}}, which is none of its facts: "
                           f"{', '.join(known) or 'it has none'}. Add it to [facts].")
        said = str(getattr(known[found[1]], found[2]) if found[2] else known[found[1]])
        return said.replace(" %", "\u00a0%")

    def word(found: re.Match[str]) -> str:
        shown, defined = found[1], found[2] or found[1]
        try:
            definition = define(defined)
        except KeyError:
            raise NGFError(f"The text explains [[{defined}]], which is not in the glossary. Add it "
                           "to app/text/glossary.md, or leave the brackets out.") from None
        return f"{shown}:help[{definition}]" if hints else shown

    return WORD.sub(word, NAMED.sub(number, text))


def races() -> list[Run]:
    """The shipped races on backdoored models of the lesson's data set, by the attacks' names."""
    return [run for run in sorted(state.store().list("purify"), key=lambda run: run.id)
            if run.shipped and run.state == "done" and run.id.startswith("signs-")
            and run.results["before"]["asr"] is not None]


def percent_interval(rate: Rate) -> tuple[float, float]:
    """The interval of a rate in percent."""
    low, high = rate.interval
    return 100 * low, 100 * high


def zoo() -> pd.DataFrame:
    """What every method of those races left: the table of `app.read.all_models`."""
    found = races()
    if not found:
        raise NGFError("The lesson shows shipped runs, and there are none here. They lie in "
                       "assets/zoo; `ngf zoo build` makes them.")
    return _zoo(os.environ.get("NGF_RUNS"), tuple(run.id for run in found))


@st.cache_resource(max_entries=4, show_spinner=False)
def _zoo(root: str | None, names: tuple[str, ...]) -> pd.DataFrame:
    return all_models([state.store().get(name) for name in names])


def _counted(test: Callable[[pd.DataFrame], pd.Series]) -> Callable[[str], Fact]:
    def count(method: str) -> Fact:
        rows = zoo().query("method == @method")
        found = int(test(rows).sum())
        return Fact(found, str(found), str(len(rows)))
    return count


def _mean_asr(method: str) -> Fact:
    its = left(zoo(), method).asr
    return Fact(its.mean, f"{100 * its.mean:.1f} %", str(its.n), f"{100 * its.low:.1f}",
                f"{100 * its.high:.1f} %")


def _mean_ratio(method: str) -> Fact:
    its = left(zoo(), method).ratio
    middle, low, high = (math.exp(end) for end in (its.mean, its.low, its.high))
    return Fact(middle, f"{middle:.2f}", str(its.n), f"{low:.2f}", f"{high:.2f}")


OVER_ZOO: Mapping[str, Callable[[str], Fact]] = {
    "attacks": _counted(lambda rows: rows["asr"] >= 0),
    "cured": _counted(lambda rows: rows["asr"] <= CURED),
    "kept": _counted(lambda rows: rows["asr"] > CURED),
    "sharper": _counted(lambda rows: rows["ratio"] > 1),
    "left": _mean_asr, "ratio": _mean_ratio,
}


def _der(run: str, method: str) -> Fact:
    before, after = (Evaluation.from_json(state.store().get(run).results[name])
                     for name in ("before", method))
    value = der(before, after)
    return Fact(value, f"{100 * value:.1f} %")


def _missing(run: str) -> Fact:
    before = Evaluation.from_json(state.store().get(run).results["before"])
    assert before.asr is not None  # named for a backdoored model
    return Fact(before.acc.n - before.asr.n, f"{before.acc.n - before.asr.n:,}")


def _wins(one: str, other: str) -> Fact:
    asr = zoo().pivot(index="attack", columns="method", values="asr")
    count = int((asr[one] < asr[other]).sum())
    return Fact(count, str(count), str(len(asr)))


# Computed from several numbers: DER of a method; images that ASR leaves out; attacks on which a
# method leaves less ASR than another.
DERIVED: Mapping[str, Callable[..., Fact]] = {"der": _der, "missing": _missing, "wins": _wins}


def _over_zoo(place: str, path: Sequence[str]) -> Fact:
    if len(path) != 2 or path[0] not in OVER_ZOO:
        raise NGFError(f"The fact “{place}” is not known: behind {ZOO} stand one of "
                       f"{', '.join(OVER_ZOO)} and a method.")
    return OVER_ZOO[path[0]](path[1])


def _of_rescaled(place: str, path: Sequence[str]) -> Fact:
    table = rescaled()
    if len(path) == 2:
        wanted = f"{float(path[1]):g}"
        table = next((row for row in table["rows"] if f"{row['factor']:g}" == wanted), {})
    return _as_fact(place, _at(place, table, path[:1]))


def _at(place: str, root: Any, path: Sequence[str]) -> Any:
    """What stands at the end of a path: keys of objects; of a layer map, a layer and a method."""
    here = root
    for word in path:
        if isinstance(here, list):
            fits = [part for part in here if word in (part["layer"], part["method"])]
            here = fits[0] if len(fits) == 1 else fits
        else:
            here = here.get(word) if isinstance(here, Mapping) else None
        if here is None or here == []:
            raise NGFError(f"The fact “{place}” is not in the run: nothing stands at “{word}”. "
                           "Compare with the results in its manifest.json.")
    return here


def _number(found: Any) -> float:
    return Rate(**found).value if is_rate(found) else float(found)


def _as_fact(place: str, found: Any) -> Fact:
    if is_rate(found):
        rate = Rate(**found)
        low, high = percent_interval(rate)
        return Fact(rate.value, rate.percent(), f"{rate.n:,}", f"{low:.1f}", f"{high:.1f} %")
    if isinstance(found, list) and all(isinstance(one, str) for one in found):
        return Fact(len(found), f"{len(found):,}")
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise NGFError(f"The fact “{place}” is no number but {type(found).__name__}. Name the way "
                       "to one.")
    if isinstance(found, int):
        return Fact(found, f"{found:,}")
    digits = 0 if abs(found) >= 100 else 1 if abs(found) >= 10 else 2
    return Fact(found, f"{found:,.{digits}f}")
