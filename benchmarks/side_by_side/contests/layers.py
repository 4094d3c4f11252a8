"""A 51 x 51 surface in which one layer moves, for every layer."""

from statistics import fmean

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.side_by_side.contest import Contest, Measurement
from benchmarks.side_by_side.record import Figures, Record
from benchmarks.side_by_side.stopwatch import timed
from benchmarks.side_by_side.table import Goal, Line, seconds
from benchmarks.side_by_side.workload import Workload
from ngf_core.models.build import tunable_layer, tunable_layers

GRID = 51
PART = {"loss-landscapes": 4, "ours": 7}
SPAN = 0.75
NOTE = (
    f"CPU seconds on one thread for {GRID} x {GRID} points, set-up included. Timed on "
    f"{PART['loss-landscapes']} x {PART['loss-landscapes']} points (loss-landscapes, whose model "
    f"wrapper moves the one layer and runs the whole network) and {PART['ours']} x {PART['ours']} "
    "(ours) per layer and repeat, and extrapolated; ours on the last layer is run whole. Error: of "
    "ours, largest over all layers, against plain float64 passes at three points each. "
    "Range of the mean ratio: over the layers.")


def _names(workload: Workload) -> list[str]:
    names = list(tunable_layers(workload.model))
    return names[-2:] if workload.quick else names


def loss_landscapes(workload: Workload) -> Measurement:
    """`random_plane` of a `GeneralModelWrapper` around the layer."""
    from loss_landscapes import random_plane
    from loss_landscapes.metrics import Loss
    from loss_landscapes.model_interface.model_wrapper import GeneralModelWrapper

    model = workload.copy().requires_grad_(False)
    metric = Loss(F.cross_entropy, workload.x, workload.y)

    def work(name: str, steps: int) -> None:
        wrapper = GeneralModelWrapper(model, [tunable_layer(model, name)], lambda m, x: m(x))
        random_plane(wrapper, metric, distance=1, steps=steps, normalization="filter",
                     deepcopy_model=True)

    names, part = _names(workload), PART["loss-landscapes"]
    work(names[-1], 2)

    def measure(seed: int, truth: Figures) -> Figures:
        torch.manual_seed(seed)
        return {name: timed(lambda name=name: work(name, part))[1]["cpu"] * GRID**2 / part**2
                for name in names}

    return measure


def ours(workload: Workload) -> Measurement:
    """`Evaluator` on a random plane of the layer."""
    from ngf_core.landscape import Evaluator, random_plane

    batches, names = {"clean": (workload.x, workload.y)}, _names(workload)

    def plane_of(name: str):
        model = workload.copy().requires_grad_(False)
        tunable_layer(model, name).requires_grad_(True)
        return random_plane(model, torch.Generator().manual_seed(0))

    def grid(side: int) -> list[tuple[float, float]]:
        values = np.linspace(-SPAN, SPAN, side)
        return [(x, y) for y in values for x in values]

    planes = {name: plane_of(name) for name in names}
    Evaluator(workload.model, planes[names[-1]], batches).losses(grid(2))

    def cost(name: str) -> float:
        """Set-up, and the points beyond a first one, which may fill the cache."""
        def begin() -> Evaluator:
            evaluator = Evaluator(workload.model, planes[name], batches)
            evaluator.losses([(0.0, 0.0)])
            return evaluator

        evaluator, begun = timed(begin)
        side = GRID if name == "linear" else PART["ours"]
        _, points = timed(lambda: evaluator.losses(grid(side)))
        return begun["cpu"] + points["cpu"] * (GRID**2 - 1) / side**2

    def error(name: str) -> float:
        places = [(-SPAN, 0.3), (0.2, 0.1), (SPAN, SPAN)]
        found = Evaluator(workload.model, planes[name], batches).losses(places)["clean"]
        model = workload.copy().double().eval()
        errors = []
        for loss, (x, y) in zip(found, places):
            with torch.no_grad():
                for key, parameter in model.named_parameters():
                    parameter.copy_(planes[name].value(key, x, y))
                plain = F.cross_entropy(model(workload.x.double()), workload.y)
            errors.append(float((loss - plain).abs() / plain))
        return max(errors)

    largest = max(error(name) for name in names)

    def measure(seed: int, truth: Figures) -> Figures:
        return {name: cost(name) for name in names} | {"error": largest}

    return measure


def lines(record: Record) -> list[Line]:
    """Convolutions: mean of the ratios, and ratio of the sums; then the last layer."""
    *convolutions, last = list(record.runs["loss-landscapes"][0])
    theirs = {name: record.median("loss-landscapes", name) for name in (*convolutions, last)}
    mine = {name: record.median("ours", name) for name in (*convolutions, last)}
    ratios = {name: theirs[name] / mine[name] for name in convolutions}
    sums = [sum(cost[name] for name in convolutions) for cost in (theirs, mine)]
    each = ", ".join(f"{name} {ratio:.3g}" for name, ratio in ratios.items())
    error = f", error {record.runs['ours'][0]['error']:.0e}"
    return [
        Line(f"one-layer surface, mean ratio of {len(ratios)} convolutions", record.model,
             "loss-landscapes", f"{seconds(sums[0])} in all", f"{seconds(sums[1])} in all{error}; "
             f"ratios: {each}", fmean(ratios.values()), Goal(3, 5),
             (min(ratios.values()), max(ratios.values())), NOTE),
        Line("one-layer surface, convolutions, summed time", record.model, "loss-landscapes",
             seconds(sums[0]), seconds(sums[1]), sums[0] / sums[1], Goal(3, 5), None, NOTE),
        Line("one-layer surface, last layer", record.model, "loss-landscapes",
             seconds(theirs[last]), seconds(mine[last]), theirs[last] / mine[last],
             Goal(500, 1500), record.range("loss-landscapes", "ours", last), NOTE)]


CONTEST = Contest("one-layer surface", {"loss-landscapes": loss_landscapes, "ours": ours}, lines,
                  samples=200)
