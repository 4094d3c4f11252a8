"""The Markdown table of all contests: ratio against goal, and by how much a goal is missed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

COLUMNS = ("what", "model", "peer", "peer's", "ours", "ratio", "range", "goal [stretch]", "result")


@dataclass(frozen=True)
class Goal:
    """A bound on a ratio: at least `value`, or at most where `least` is False."""

    value: float
    stretch: float | None = None
    least: bool = True

    def reached(self, ratio: float, bound: float) -> bool:
        return ratio >= bound if self.least else ratio <= bound

    def missed_by(self, ratio: float) -> float:
        """How far the ratio falls short of (or exceeds) the bound, as a share of the bound."""
        short = 1 - ratio / self.value if self.least else ratio / self.value - 1
        return max(0.0, short)

    def verdict(self, ratio: float) -> str:
        """In words: the stretch goal is reached, the goal is, or by how much it is missed."""
        if not self.reached(ratio, self.value):
            short = 100 * self.missed_by(ratio)
            return f"**missed by {short:.2g} %**" if short < 100 else f"**missed by {short:.0f} %**"
        stretched = self.stretch is not None and self.reached(ratio, self.stretch)
        return "stretch reached" if stretched else "reached"

    def __str__(self) -> str:
        sign = "≥" if self.least else "≤"
        stretch = "" if self.stretch is None else f" [{self.stretch:g}]"
        return f"{sign} {self.value:g}{stretch}"


@dataclass(frozen=True)
class Line:
    """One comparison. theirs, ours: figures with their units. range: ratios over the repeats."""

    what: str
    model: str
    peer: str
    theirs: str
    ours: str
    ratio: float
    goal: Goal
    range: tuple[float, float] | None = None
    note: str = ""

    def cells(self, mark: str) -> list[str]:
        spread = "" if self.range is None else f"{self.range[0]:.3g} to {self.range[1]:.3g}"
        return [self.what + mark, self.model, self.peer, self.theirs, self.ours,
                f"{self.ratio:.3g}", spread, str(self.goal), self.goal.verdict(self.ratio)]


def markdown(lines: Iterable[Line], header: dict[str, Any]) -> str:
    """The header as a list, the table, and every note once below it."""
    notes: list[str] = []
    rows = []
    for line in lines:
        if line.note and line.note not in notes:
            notes.append(line.note)
        mark = f" ({notes.index(line.note) + 1})" if line.note else ""
        rows.append("| " + " | ".join(line.cells(mark)) + " |")
    parts = ["# Side by side", "", *(f"- {name}: {value}" for name, value in header.items()), "",
             "| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS), *rows]
    if notes:
        parts += ["", *(f"{number}. {note}" for number, note in enumerate(notes, 1))]
    return "\n".join(parts) + "\n"


def seconds(value: float) -> str:
    """With three figures, in the unit that suits."""
    return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"
