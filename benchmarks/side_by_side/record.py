"""Finished contests on disk, so that a stopped benchmark resumes where it stopped."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

Figures = dict[str, Any]


@dataclass(frozen=True)
class Record:
    """One contest on one model: what every peer measured in every repeat, and what is true.

    runs: peer -> its figures, one dict per repeat. seconds: wall seconds of the whole contest.
    """

    contest: str
    model: str
    samples: int
    threads: int
    runs: dict[str, list[Figures]]
    truth: Figures
    seconds: float
    date: str
    environment: dict[str, Any]

    @property
    def key(self) -> str:
        """The name under which the record is kept."""
        return f"{self.contest}/{self.model}"

    @property
    def repeats(self) -> int:
        """How often each peer measured."""
        return min(len(runs) for runs in self.runs.values())

    def values(self, peer: str, figure: str) -> list[Any]:
        """One figure in every repeat."""
        return [run[figure] for run in self.runs[peer]]

    def median(self, peer: str, figure: str) -> float:
        """The median of a figure over the repeats."""
        return median(self.values(peer, figure))

    def range(self, peer: str, other: str, figure: str) -> tuple[float, float]:
        """Smallest and largest ratio peer / other of a figure, repeat by repeat."""
        ratios = [p / o for p, o in zip(self.values(peer, figure), self.values(other, figure))]
        return min(ratios), max(ratios)


def load(path: Path) -> dict[str, Record]:
    """The records of a file by key; none where there is no file."""
    if not path.exists():
        return {}
    return {key: Record(**fields) for key, fields in json.loads(path.read_text()).items()}


def save(path: Path, records: dict[str, Record]) -> None:
    """Write all records; an interruption leaves the old file intact."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({key: asdict(r) for key, r in sorted(records.items())},
                                indent=1) + "\n")
    os.replace(fresh, path)


def is_done(kept: Record | None, samples: int, repeats: int) -> bool:
    """Whether a kept record covers a contest with these numbers of samples and repeats."""
    return kept is not None and kept.samples == samples and kept.repeats >= repeats
