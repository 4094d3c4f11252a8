"""The differences of runs from a baseline, and what of them is refused.

A group of runs that repeat one another is compared with the baseline's group, pair by pair; the
intervals are those of `ngf_core.compare.intervals`, the conditions those of `conditions`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ngf_core.compare.conditions import (
    ASR,
    Failed,
    failed,
    of_attack,
    reading_conditions,
    run_conditions,
    spectrum_conditions,
)
from ngf_core.compare.intervals import POINTS, RATIO, change, level, mean
from ngf_core.compare.pairs import Pair, groups, paired
from ngf_core.compare.readings import (
    DESTROYED,
    Models,
    at_chance,
    measured_by,
    model_title,
    only_methods,
    readings,
)
from ngf_core.compare.settings import Setting, differing, seeds
from ngf_core.errors import ConfigError, NGFError
from ngf_core.evaluate.rates import RATES
from ngf_core.runs import Run, RunStore

MOST = 6
EVERYTHING, SHARPNESS = "all numbers", "sharpness"


@dataclass(frozen=True)
class Row:
    """One measure of one model in a group of runs, beside the baseline's group.

    runs, base_runs: the ids behind it, pair by pair. value, base: their means, of rates as
    fractions, of sharpness geometric. change: value - base (unit POINTS, as a fraction) or
    value / base (RATIO), with its 95 % interval low to high, NaN where there is none; over, count:
    as in `Interval`; n: images behind each number. In a comparison of repeats alone there is no
    baseline: base and change are NaN, low to high is the interval of value.
    """

    model: str
    measure: str
    title: str
    unit: str
    runs: tuple[str, ...]
    base_runs: tuple[str, ...]
    value: float
    base: float
    change: float
    low: float
    high: float
    over: str
    count: int
    n: int

    @property
    def resolved(self) -> bool:
        """Whether the interval of the change contains no "no change"."""
        none = 1.0 if self.unit == RATIO else 0.0
        return not math.isnan(self.change) and (self.low > none or self.high < none)


@dataclass(frozen=True)
class Comparison:
    """letters: A to F by id, in the order given; groups: ids of runs that repeat one another, the
    baseline's first; settings: those that differ; rows; refused: what is not subtracted and why;
    notes: what limits the numbers, one sentence each."""

    letters: Mapping[str, str]
    baseline: str
    groups: tuple[tuple[str, ...], ...]
    settings: tuple[Setting, ...]
    rows: tuple[Row, ...]
    refused: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command that prints it."""
        first = next(iter(self.letters))
        option = "" if self.baseline == first else f" --baseline {self.baseline}"
        return f"python -m ngf_core compare {' '.join(self.letters)}{option}"


def compare(runs: Sequence[Run], store: RunStore, baseline: str = "") -> Comparison:
    """The comparison of two to `MOST` runs with the run `baseline`, by default the first.

    Raises ConfigError for fewer and for more, for a run named twice, and for a baseline that is
    none of them; RunError where a run is corrupt.
    """
    ids = [run.id for run in runs]
    baseline = baseline or (ids[0] if ids else "")
    _check(ids, baseline)
    letters = dict(zip(ids, "ABCDEF", strict=False))
    of = {run.id: run for run in runs}
    made = groups(runs, store)
    first = next(group for group in made if of[baseline] in group)
    ordered = [first, *(group for group in made if group is not first)]
    desk = _Desk(store, letters, {}, [], [])
    desk.read(runs)
    rows = list(desk.repeats(first)) if len(made) == 1 else [
        row for group in ordered[1:] for row in desk.differences(group, first)]
    return Comparison(letters, baseline, tuple(tuple(run.id for run in group) for group in ordered),
                      tuple(differing(runs, store)), tuple(rows),
                      tuple(dict.fromkeys(desk.refused)), tuple(dict.fromkeys(desk.notes)))


def _check(ids: Sequence[str], baseline: str) -> None:
    if len(ids) < 2:
        raise ConfigError("runs", f"{len(ids)} is named, and a comparison needs two",
                          "Name another run beside it.")
    if len(ids) > MOST:
        raise ConfigError("runs", f"{len(ids)} are named, and at most {MOST} fit one comparison",
                          "Name fewer.")
    twice = next((name for name in ids if ids.count(name) > 1), None)
    if twice:
        raise ConfigError("runs", f"{twice} is named twice", "Name each run once.")
    if baseline not in ids:
        raise ConfigError("baseline", f"{baseline} is none of the runs",
                          f"Name one of {', '.join(ids)}.")


@dataclass(frozen=True)
class _Desk:
    """Where one comparison is made: the readings of each run, and what was said so far."""

    store: RunStore
    letters: Mapping[str, str]
    readings: dict[str, Models]
    refused: list[str]
    notes: list[str]

    def read(self, runs: Sequence[Run]) -> None:
        alone = only_methods(runs)
        for run in runs:
            spectrum = measured_by(run, "spectrum", self.store)
            self.readings[run.id] = readings(run, spectrum, self.store, alone.get(run.id, ""))
            name = self.letters[run.id]
            if run.state != "done":
                self.refused.append(f"{name} is {run.state} and has no final numbers"
                                    + (f": {run.message}" if run.message else "."))
            elif not self.readings[run.id]:
                self.refused.append(
                    f"{name} is a{'n audit' if run.kind == 'audit' else ' landscape'} and holds no "
                    "number of a model that could be subtracted.")
            for model, of in self.readings[run.id].items():
                acc = of.get("acc")
                if acc and acc.rate and at_chance(acc, run, self.store):
                    self.notes.append(
                        f"{name}, {model_title(model)}: ACC {acc.rate.percent()} is at chance. The "
                        "model is destroyed, so that its ASR is no success.")

    # ---- differences

    def differences(self, group: Sequence[Run], base: Sequence[Run]) -> Iterator[Row]:
        """The rows of one group against the baseline's."""
        matched = paired(group, base, self.store)
        for run in matched.lone:
            if run.state == "done":
                self._refuse_lone(run, base)
        pairs = [pair for pair in matched.pairs if self._fit(pair)]
        if not pairs:
            return
        models = dict.fromkeys(model for pair in pairs for model in self._models(pair))
        for model in models:
            measures = dict.fromkeys(measure for pair in pairs for run in (pair.run, pair.base)
                                     for measure in self.readings[run.id].get(model, ()))
            for measure in measures:
                row = self._row(model, measure, pairs)
                if row:
                    yield row

    def _refuse_lone(self, run: Run, base: Sequence[Run]) -> None:
        name = self.letters[run.id]
        try:
            seed = seeds(run, self.store).training
            others = ", ".join(dict.fromkeys(seeds(one, self.store).training for one in base))
        except NGFError as error:
            self.refused.append(f"{name}, {EVERYTHING}: {error}")
            return
        taken = ", where each run has its partner" if seed in others.split(", ") else ""
        self.refused.append(
            f"{name}, {EVERYTHING}: differences are taken seed by seed, and the training seed is "
            f"{seed} in {name} and {others} in the baseline{taken}.")

    def _fit(self, pair: Pair) -> bool:
        """Whether the pair may be subtracted at all; else says why not."""
        if not (self.readings[pair.run.id] and self.readings[pair.base.id]):
            return False
        return self._refuse(run_conditions(pair.run, pair.base, self.store), pair, EVERYTHING)

    def _models(self, pair: Pair) -> list[str]:
        """The models that both runs have; says which one of them has alone."""
        one, base = (self.readings[run.id] for run in (pair.run, pair.base))
        for run, models, others in ((pair.run, one, base), (pair.base, base, one)):
            alone = [model_title(model) for model in models if model not in others]
            if alone:
                self._say(pair, ", ".join(alone), f"only {self.letters[run.id]} has it")
        return [model for model in one if model in base]

    def _row(self, model: str, measure: str, pairs: Sequence[Pair]) -> Row | None:
        kept = [pair for pair in pairs if self._comparable(model, measure, pair)]
        if not kept:
            return None
        values, bases = ([self.readings[run.id][model][measure] for run in runs] for runs in (
            [pair.run for pair in kept], [pair.base for pair in kept]))
        unit = POINTS if measure in RATES else RATIO
        found = change(unit, kept, values, bases)
        return Row(model, measure, values[0].title, unit, tuple(pair.run.id for pair in kept),
                   tuple(pair.base.id for pair in kept), mean(unit, values), mean(unit, bases),
                   found.middle, found.low, found.high, found.over, found.count, values[0].n)

    def _comparable(self, model: str, measure: str, pair: Pair) -> bool:
        """Whether one measure of a pair may be subtracted; else says why not."""
        if measure in ASR:
            conditions, what = self._attacks(pair), "ASR and RA"
        elif measure not in RATES:
            conditions, what = spectrum_conditions(pair.run, pair.base, self.store), SHARPNESS
        else:
            conditions, what = [], ""
        if conditions:
            return self._refuse(conditions, pair, what)
        one, base = (self.readings[run.id].get(model, {}).get(measure)
                     for run in (pair.run, pair.base))
        if one is None or base is None:
            self._lacks(model, measure, pair)
            return False
        what = f"{one.title} of {model_title(model)}"
        for run, reading in ((pair.run, one), (pair.base, base)):
            if reading.why_not:
                every = reading.why_not == DESTROYED
                self._say(pair, f"{SHARPNESS} of {model_title(model)}" if every else what,
                          f"in {self.letters[run.id]} {reading.why_not}")
        return self._refuse(reading_conditions(one, base), pair, what) and not (
            one.why_not or base.why_not)

    def _attacks(self, pair: Pair) -> list[Failed]:
        return failed(of_attack(pair.run, self.store), of_attack(pair.base, self.store))

    def _lacks(self, model: str, measure: str, pair: Pair) -> None:
        """Say which run of the pair lacks a measure; once for all of a spectrum that is missing."""
        run = next(run for run in (pair.run, pair.base)
                   if measure not in self.readings[run.id].get(model, {}))
        what = f"{_title(self.readings.values(), model, measure)} of {model_title(model)}"
        why = "it was not measured"
        if measure not in RATES and not measured_by(run, "spectrum", self.store):
            what, why = SHARPNESS, "there is no finished spectrum"
        self._say(pair, what, f"{why} in {self.letters[run.id]}")

    def _say(self, pair: Pair, what: str, why: str) -> None:
        self.refused.append(f"{self.letters[pair.run.id]} − {self.letters[pair.base.id]}, {what}: "
                            f"{why}.")

    def _refuse(self, conditions: Sequence[Failed], pair: Pair, what: str) -> bool:
        """Say which conditions do not hold; whether all do."""
        self.refused.extend(one.sentence(self.letters[pair.run.id], self.letters[pair.base.id],
                                         what) for one in conditions)
        return not conditions

    # ---- repeats

    def repeats(self, group: Sequence[Run]) -> Iterator[Row]:
        """The mean of each measure over runs that repeat one another, with its interval."""
        known = [run for run in group if self.readings[run.id]]
        if len(known) < 2:
            return
        first = known[0]
        fit = [run for run in known if run is first or self._fit(Pair(run, first, ""))]
        pairs = [Pair(run, run, seeds(run, self.store).training) for run in fit]
        for model, of in self.readings[first.id].items():
            for measure in of:
                kept = [pair for pair in pairs if self._usable(model, measure, pair, first)]
                if len(kept) > 1:
                    yield self._mean_row(model, measure, kept)

    def _usable(self, model: str, measure: str, pair: Pair, first: Run) -> bool:
        return self._comparable(model, measure, Pair(pair.run, first, pair.training))

    def _mean_row(self, model: str, measure: str, pairs: Sequence[Pair]) -> Row:
        values = [self.readings[pair.run.id][model][measure] for pair in pairs]
        unit = POINTS if measure in RATES else RATIO
        found = level(unit, pairs, values)
        return Row(model, measure, values[0].title, unit, tuple(pair.run.id for pair in pairs), (),
                   found.middle, math.nan, math.nan, found.low, found.high, found.over,
                   found.count, values[0].n)


def _title(known: Iterable[Models], model: str, measure: str) -> str:
    return next(of[model][measure].title for of in known if measure in of.get(model, {}))
