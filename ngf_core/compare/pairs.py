"""Runs that repeat one another, and which run of one such group belongs to which of another."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ngf_core.compare.settings import Seeds, but_seeds, seeds
from ngf_core.errors import NGFError
from ngf_core.runs import Run, RunStore


@dataclass(frozen=True)
class Pair:
    """A run, the run of the baseline with its seeds, and the trained model's seed of both."""

    run: Run
    base: Run
    training: str


@dataclass(frozen=True)
class Paired:
    """pairs: by seed; lone: runs that have no partner of the same training seed."""

    pairs: tuple[Pair, ...]
    lone: tuple[Run, ...]


def groups(runs: Sequence[Run], store: RunStore) -> list[tuple[Run, ...]]:
    """The runs by equal settings, seeds apart, in their order: a group repeats one measurement.

    A run whose settings are not all known, since a source is missing, is a group of its own.
    """
    found: dict[object, list[Run]] = {}
    for run in runs:
        try:
            key: object = but_seeds(run, store)
        except NGFError:
            key = run.id
        found.setdefault(key, []).append(run)
    return [tuple(group) for group in found.values()]


def paired(group: Sequence[Run], base: Sequence[Run], store: RunStore) -> Paired:
    """Each run of a group with the one of the baseline that has all its seeds, else, where none
    has, with one of the same training seed; every run is in at most one pair.

    A run whose seeds are not known has no partner.
    """
    known = [(run, told) for run in group if (told := _seeds(run, store)) is not None]
    free = [(run, told) for run in base if (told := _seeds(run, store)) is not None]
    pairs: dict[str, Pair] = {}
    for exactly in (True, False):
        for run, told in known:
            if run.id in pairs:
                continue
            fit = next((other for other in free if other[1] == told or not exactly
                        and other[1].training == told.training), None)
            if fit:
                free.remove(fit)
                pairs[run.id] = Pair(run, fit[0], told.training)
    return Paired(tuple(pairs[run.id] for run in group if run.id in pairs),
                  tuple(run for run in group if run.id not in pairs))


def by_training(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    """The pairs by the trained model's seed: those of one seed repeat, other seeds are models."""
    found: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        found[pair.training].append(pair)
    return dict(found)


def _seeds(run: Run, store: RunStore) -> Seeds | None:
    try:
        return seeds(run, store)
    except NGFError:
        return None
