"""What a contest is: peers that do the same work on the same model and samples."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.side_by_side.record import Figures, Record
from benchmarks.side_by_side.table import Line
from benchmarks.side_by_side.workload import Workload

MODELS = ("before", "ngf")

Measurement = Callable[[int, Figures], Figures]
Prepare = Callable[[Workload], Measurement]


@dataclass(frozen=True)
class Contest:
    """One piece of work that every peer does.

    peers: name -> what prepares and warms up a peer on a workload; the function it returns does the
    work once from a seed, given what `truth` found, and returns figures that JSON can hold.
    lines: the table's lines from a finished record. truth: measured once, before the peers.
    samples: images. threads: of every peer; with one, two contests run at a time, one per core.
    """

    title: str
    peers: dict[str, Prepare]
    lines: Callable[[Record], list[Line]]
    samples: int
    models: tuple[str, ...] = MODELS
    threads: int = 1
    truth: Prepare | None = None
