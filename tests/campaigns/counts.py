"""What a part of the campaign did and found: counts, and sentences about each fault."""

from collections import Counter
from dataclasses import dataclass, field

# What must be 0, by what the report calls it.
MUST_BE_ZERO = ("acknowledged steps lost", "runs unreadable without explanation",
                "orphan processes", "pages with a stack trace", "wrong data read silently")


@dataclass
class Counts:
    """One part: `done` counts by name what was tried, `faults` what must be 0; both in order."""

    title: str
    done: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    not_run: str = ""

    def found(self, fault: str, count: int, sentence: str) -> None:
        """Count a fault (one of MUST_BE_ZERO), with what it was; nothing where `count` is 0."""
        if fault not in MUST_BE_ZERO:
            raise ValueError(f"{fault!r} is not counted. Choose from: {', '.join(MUST_BE_ZERO)}.")
        if count:
            self.faults[fault] += count
            self.findings.append(f"{fault}: {sentence}")
