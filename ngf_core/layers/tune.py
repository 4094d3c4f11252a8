"""The layer map: tune each layer of a model alone, at the same budget, and measure the effect.

Every method starts from the received model at every layer, and sees the same batches.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ngf_core.fisher.hutchinson import cotangents, signs_like
from ngf_core.fisher.per_sample import tap
from ngf_core.layers.stations import Station, stations
from ngf_core.purify.batches import CleanBatches, CleanSet
from ngf_core.purify.batchnorm import recalibrate_batchnorm
from ngf_core.purify.budget import Budget
from ngf_core.purify.method import purifier
from ngf_core.purify.settings import LayerSettings
from ngf_core.purify.step import Diverged, Step
from ngf_core.purify.weights import assign, flat, only_trainable


@dataclass(frozen=True)
class Tuned:
    """The result of one method at one layer.

    depth: 0 at the first layer, 1 at the last. fisher_trace: Tr F of the tuned layer, true Fisher,
    on the clean set as it is. logits: (n, C) of each set of images. passes, seconds: spent tuning.
    stopped: the method's error message where it could not continue.
    """

    layer: str
    index: int
    depth: float
    parameters: int
    method: str
    passes: int
    seconds: float
    stopped: str | None
    fisher_trace: float | None
    logits: dict[str, Tensor]


def stations_of(model: nn.Module, clean: CleanSet, budget: Budget,
                images: Mapping[str, Tensor]) -> Iterator[Station]:
    """The layers of a model from input to output, once it is ready for tuning: in eval mode, with
    BatchNorm as `budget` sets it. `tune` starts from there at each of them.

    The recalibration is the only change to the model. images: sets whose logits are wanted.
    """
    model.eval().requires_grad_(False)
    batches = CleanBatches(clean, budget, next(model.parameters()).device)
    if budget.batchnorm == "recalibrated":
        recalibrate_batchnorm(model, batches)
    return stations(model, batches, images)


def tune(station: Station, method: LayerSettings, budget: Budget,
         between: Callable[[], object] = lambda: None, traced: bool = True) -> Tuned:
    """Tune the layer by a method with these settings, measure it, and restore it.

    traced: whether its Fisher trace is wanted. between: called after every update (to cancel or to
    pause).
    """
    here = replace(method, layer=station.key) if isinstance(method, LayerSettings) else method
    frozen = replace(budget, batchnorm="frozen")
    parameters = list(station.layer.parameters())
    received, last, stopped = flat(parameters), Step(0, float("nan"), 0.0), None
    try:
        try:
            for step in purifier(method.method)(station.network, station.batches, here, frozen):
                last = step
                between()
                if 0 < budget.seconds <= step.seconds:
                    break
        except Diverged as error:
            stopped = str(error)
        return Tuned(station.name, station.index, station.depth, len(received), method.method,
                     last.step,
                     last.seconds, stopped, layer_trace(station, budget.seed) if traced else None,
                     {name: station.logits(name) for name in station.shown})
    finally:
        assign(parameters, received)


def layer_trace(station: Station, seed: int) -> float:
    """Tr F of the layer's true Fisher on the clean set, from random signs of each sample's classes.

    With c_i = A_i v_i as in `ngf_core.fisher.hutchinson`, E |J_i^T c_i|^2 = Tr(J_i^T M_i J_i) for
    each sample, with a relative deviation of at most sqrt 2; this is the mean over the samples.
    """
    generator = torch.Generator().manual_seed(seed)
    only_trainable(station.network, list(station.layer.parameters()))
    total, samples = 0.0, 0
    for x, y in station.batches.whole():
        tapped = tap(station.network, station.layer, x)
        c = cotangents("true", tapped.logits, y, signs_like(tapped.logits, generator)).detach()
        rows = tapped.gradients((tapped.logits * c).sum(1))
        total, samples = total + float(rows.double().square().sum()), samples + len(y)
    return total / samples
