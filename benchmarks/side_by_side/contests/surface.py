"""A 51 x 51 surface of all parameters, exact and previewed, on two threads."""

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.side_by_side.contest import Contest, Measurement
from benchmarks.side_by_side.record import Figures, Record
from benchmarks.side_by_side.stopwatch import timed
from benchmarks.side_by_side.table import Goal, Line, seconds
from benchmarks.side_by_side.workload import Workload

GRID = 51
PART = 7
SPAN = 0.75
CHECKED = 20
FLOOR = 0.1  # nats below which the preview's errors are absolute; as ngf_core.landscape.preview

EXACT_NOTE = (
    f"Wall seconds on two threads. Both are timed on {PART} x {PART} points in each repeat, set-up "
    f"apart, and extrapolated to {GRID} x {GRID}; ours was also run whole, once. loss-landscapes "
    "draws its own plane and shifts its columns, so only its time is compared. Ours agrees with "
    f"a plain float64 forward pass at {CHECKED} points to the error given.")
PREVIEW_NOTE = (
    "The whole preview is run in each repeat. Errors are relative, below 0.1 nats of loss absolute "
    "in units of 0.1. Held out: largest error of the points that were predicted before they were "
    "computed, in the last rounds. True: against the whole exact surface, largest and 99th "
    "percentile of all points.")


def axis() -> np.ndarray:
    return np.linspace(-SPAN, SPAN, GRID)


def truth(workload: Workload) -> Measurement:
    """The whole exact surface by our engine, checked against plain passes in float64."""
    from ngf_core.landscape import random_plane, surface

    def measure(seed: int, truth: Figures) -> Figures:
        plane = random_plane(workload.model, torch.Generator().manual_seed(0))
        values = axis()
        values = values if not workload.quick else values[::10]
        found, cost = timed(lambda: surface(workload.model, plane, values, values,
                                            {"clean": (workload.x, workload.y)})["clean"])
        model = workload.copy().double().eval()
        parameters = dict(model.named_parameters())
        places = torch.randint(0, len(values), (CHECKED, 2),
                               generator=torch.Generator().manual_seed(1)).tolist()
        errors = []
        for i, j in places:
            with torch.no_grad():
                for name, parameter in parameters.items():
                    parameter.copy_(plane.value(name, values[j], values[i]))
                loss = F.cross_entropy(model(workload.x.double()), workload.y)
            errors.append(float((found[i, j] - loss).abs() / loss))
        return {"wall": cost["wall"], "cpu": cost["cpu"], "points": found.numel(),
                "error": max(errors), "low": float(found.min()), "high": float(found.max()),
                "_surface": found.tolist()}

    return measure


def loss_landscapes(workload: Workload) -> Measurement:
    """`random_plane` with its own loss metric, all samples in one batch, as in its manual."""
    from loss_landscapes import random_plane
    from loss_landscapes.metrics import Loss

    metric = Loss(F.cross_entropy, workload.x, workload.y)

    def work(points: int) -> None:
        random_plane(workload.model, metric, distance=1, steps=points, normalization="filter",
                     deepcopy_model=True)

    work(2)

    def measure(seed: int, truth: Figures) -> Figures:
        torch.manual_seed(seed)
        _, cost = timed(lambda: work(PART))
        return {"setup": 0.0, "point": cost["wall"] / PART**2,
                "whole": GRID**2 * cost["wall"] / PART**2}

    return measure


def ours(workload: Workload) -> Measurement:
    """`Evaluator` at a grid of points; then the preview, whole."""
    from ngf_core.landscape import Evaluator, random_plane
    from ngf_core.landscape.preview import preview

    plane = random_plane(workload.model, torch.Generator().manual_seed(0))
    batches = {"clean": (workload.x, workload.y)}
    part = np.linspace(-SPAN, SPAN, PART)
    points = [(x, y) for y in part for x in part]
    Evaluator(workload.model, plane, batches).losses(points[:3])

    def whole_preview():
        evaluator = Evaluator(workload.model, plane, batches)
        values = axis()
        return preview(lambda p: evaluator.losses(p)["clean"], values, values)

    def measure(seed: int, truth: Figures) -> Figures:
        evaluator, made = timed(lambda: Evaluator(workload.model, plane, batches))
        _, cost = timed(lambda: evaluator.losses(points))
        found, previewed = timed(whole_preview)
        figures = {"setup": made["wall"], "point": cost["wall"] / len(points),
                   "whole": made["wall"] + GRID**2 * cost["wall"] / len(points),
                   "preview": previewed["wall"], "computed": found.points,
                   "held_out": found.largest, "reached": found.reached}
        exact = torch.tensor(truth["_surface"], dtype=torch.float64)
        if exact.shape == found.losses.shape:
            errors = ((found.losses - exact).abs() / exact.clamp_min(FLOOR)).flatten()
            figures |= {"true_largest": float(errors.max()),
                        "true_99": float(errors.quantile(0.99))}
        return figures

    return measure


def lines(record: Record) -> list[Line]:
    """The exact surface, and the preview against the peer's exact one."""
    whole = {peer: record.median(peer, "whole") for peer in record.runs}
    theirs = whole["loss-landscapes"]
    preview = record.median("ours", "preview")
    first = record.runs["ours"][0]
    judged = ("" if "true_99" not in first else f", true {first['true_largest']:.1%} largest, "
              f"{first['true_99']:.1%} 99th percentile")
    ratios = [r["whole"] / o["preview"] for r, o in zip(record.runs["loss-landscapes"],
                                                        record.runs["ours"])]
    return [
        Line("51 x 51 surface, exact, wall seconds", record.model, "loss-landscapes",
             seconds(theirs), f"{seconds(whole['ours'])} (whole, once: "
             f"{seconds(record.truth['wall'])}; error {record.truth['error']:.0e})",
             theirs / whole["ours"], Goal(2, 3), record.range("loss-landscapes", "ours", "whole"),
             EXACT_NOTE),
        Line("51 x 51 surface, preview, wall seconds", record.model, "loss-landscapes",
             seconds(theirs), f"{seconds(preview)}, {first['computed']} points, held out "
             f"{first['held_out']:.1%}{judged}", theirs / preview, Goal(12, 25),
             (min(ratios), max(ratios)), PREVIEW_NOTE)]


CONTEST = Contest("51 x 51 surface", {"loss-landscapes": loss_landscapes, "ours": ours}, lines,
                  samples=200, threads=2, truth=truth)
