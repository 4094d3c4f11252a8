"""The order in which waiting runs get their turn: round robin over those who asked.

A run is the turn of everyone who asked for it. Next is the run with the asker whose last turn began
the longest ago, those who had none first; among equals the older run. So while somebody waits,
nobody else gets two turns.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from ngf_core.runs.access import askers
from ngf_core.runs.manifest import took

COMMAND_LINE = ""  # the asker of all runs that no browser asked for


@dataclass(frozen=True)
class Waiting:
    """A run that waits: its id, when it was created (ISO 8601, UTC), and who asked for it."""

    id: str
    created: str
    askers: tuple[str, ...]

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "Waiting":
        """The run of this manifest."""
        return cls(manifest["id"], manifest["created"], _askers(manifest))


def _askers(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    return askers(manifest) or (COMMAND_LINE,)


def last_turns(manifests: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """When the last turn of each asker began (ISO 8601, UTC), by the runs that started here."""
    last: dict[str, str] = {}
    for manifest in manifests:
        # A run of a bundle had no turn here, and its times are what somebody wrote.
        began_here = manifest["started"] and not manifest["foreign"]
        for asker in _askers(manifest) if began_here else ():
            last[asker] = max(last.get(asker, ""), manifest["started"])
    return last


def in_order(waiting: Sequence[Waiting], last: Mapping[str, str]) -> list[Waiting]:
    """`waiting` in the order of their turns, where nobody else comes; `last` as `last_turns`."""
    # A time before any turn, then the turns that began, then those still to be given.
    turns: dict[str, tuple[int, str]] = {asker: (0, began) for asker, began in last.items()}
    left, order = sorted(waiting, key=lambda run: (run.created, run.id)), []
    while left:
        run = min(left, key=lambda run: min(turns.get(asker, (0, "")) for asker in run.askers))
        left.remove(run)
        order.append(run)
        turns |= dict.fromkeys(run.askers, (len(order), ""))
    return order


def usual_seconds(manifests: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Median seconds that the finished runs of each kind took here, from start to end.

    Those that went on after a stop are left out: their manifests hold only the last start.
    """
    known: dict[str, list[float]] = {}
    for manifest in manifests:
        seconds = took(manifest)
        if (manifest["state"] == "done" and seconds is not None and not manifest.get("resumed")
                and not manifest["foreign"]):
            known.setdefault(manifest["kind"], []).append(seconds)
    return {kind: median(seconds) for kind, seconds in known.items()}


def seconds_until(running: Sequence[Mapping[str, Any]], ahead: Sequence[Mapping[str, Any]],
                  usual: Mapping[str, float], slots: int) -> float | None:
    """About how long until a run's turn, from the manifests of those that run and those ahead.

    The seconds that they still take by `usual_seconds`, divided by `slots`; None where a kind among
    them has never finished, and where the run waits for none of them.
    """
    before = [*running, *ahead]
    if not before or any(manifest["kind"] not in usual for manifest in before):
        return None
    now = datetime.now(UTC).isoformat()
    left = [max(0.0, usual[m["kind"]] - _seconds(m["started"], now)) for m in running]
    return (sum(left) + sum(usual[m["kind"]] for m in ahead)) / slots


def _seconds(began: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


def place_text(place: int, places: int, seconds: float | None) -> str:
    """Place 3 of 7, about 4 min. Without the time where `seconds` is None."""
    about = "" if seconds is None else f", about {max(1, round(seconds / 60))} min"
    return f"Place {place} of {places}{about}."
