"""One hostile thing, and what has to come of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TAKEN = "taken in"
Give = Callable[[Path], str]


@dataclass(frozen=True)
class Case:
    """`give` hands something to the program, in a folder of its own, and returns the sentence that
    it was refused with, or TAKEN where it did no harm and was accepted.

    says: what the sentence has to name, as a regular expression; TAKEN for what must be accepted.
    also: the same thing through another door, as `give`; it may be refused with a limit there.
    examples: how many inputs it stands for, where Hypothesis makes them.
    quick: whether it is given in the ordinary tests too.
    """

    subject: str
    name: str
    give: Give
    says: str
    also: Give | None = None
    examples: int = 1
    quick: bool = True


@dataclass(frozen=True)
class Outcome:
    """What came of one giving: the sentence, what was run that must not be, and how it broke.

    broke: the error that is no sentence for people, or how the process ended; "" where neither.
    """

    said: str
    executed: tuple[str, ...] = ()
    broke: str = ""


@dataclass(frozen=True)
class Verdict:
    """A case with its outcomes. wrong: why it is not as it has to be; "" where it is."""

    case: Case
    outcomes: tuple[Outcome, ...]
    wrong: str
