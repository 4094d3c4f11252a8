"""A landscape point against the forward pass that it requires."""

import torch

from benchmarks.side_by_side.contest import Contest, Measurement
from benchmarks.side_by_side.record import Figures, Record
from benchmarks.side_by_side.stopwatch import timed
from benchmarks.side_by_side.table import Goal, Line, seconds
from benchmarks.side_by_side.workload import Workload

POINTS = 25
SIZES = (25, 50, 100, 200, 500, 1000)
NOTE = (f"CPU seconds of one point, mean of {POINTS} on a random plane of all parameters, against "
        "the bare model in inference mode on the same images, in the fastest of the batch sizes "
        f"{', '.join(map(str, SIZES))} and both memory formats. Ours may be below 1: it folds "
        "BatchNorm.")


def bare(workload: Workload) -> Measurement:
    """The forward pass alone, tuned."""
    ways = []
    for form in (torch.contiguous_format, torch.channels_last):
        model = workload.copy().eval().to(memory_format=form)
        images = workload.x.contiguous(memory_format=form)
        ways += [(form, size, model, images.split(size)) for size in SIZES
                 if size <= max(len(images), SIZES[0])]

    def forward(way: tuple) -> None:
        with torch.inference_mode():
            for part in way[3]:
                way[2](part)

    def tried(way: tuple) -> float:
        forward(way)
        return min(timed(lambda: forward(way))[1]["cpu"] for _ in range(3))

    best = min(ways, key=tried)

    def measure(seed: int, truth: Figures) -> Figures:
        _, cost = timed(lambda: [forward(best) for _ in range(POINTS)])
        return {"cpu": cost["cpu"] / POINTS, "wall": cost["wall"] / POINTS, "batch": best[1],
                "format": str(best[0]).removeprefix("torch.")}

    return measure


def ours(workload: Workload) -> Measurement:
    """`Evaluator.losses` at points of a plane in which every parameter moves."""
    from ngf_core.landscape import Evaluator, random_plane

    plane = random_plane(workload.model, torch.Generator().manual_seed(0))
    evaluator = Evaluator(workload.model, plane, {"clean": (workload.x, workload.y)})
    points = 0.5 * torch.rand(POINTS, 2, generator=torch.Generator().manual_seed(1)) - 0.25
    evaluator.losses(points[:3])

    def measure(seed: int, truth: Figures) -> Figures:
        _, cost = timed(lambda: evaluator.losses(points))
        return {"cpu": cost["cpu"] / POINTS, "wall": cost["wall"] / POINTS}

    return measure


def lines(record: Record) -> list[Line]:
    """CPU seconds of a point over those of the bare forward pass."""
    bare_, mine = record.median("bare", "cpu"), record.median("ours", "cpu")
    best = record.runs["bare"][0]
    low, high = record.range("ours", "bare", "cpu")
    return [Line("a landscape point / a bare forward", record.model, "bare forward",
                 f"{seconds(bare_)} (batch {best['batch']}, {best['format']})", seconds(mine),
                 mine / bare_, Goal(1.1, least=False), (low, high), NOTE)]


CONTEST = Contest("a landscape point", {"bare": bare, "ours": ours}, lines, samples=200)
