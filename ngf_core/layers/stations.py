"""A model's layers one after another, each with its inputs kept.

Going from input to output, a layer's inputs are computed from those of the layer before. Tuning a
layer and evaluating the effect then cost what the network behind it costs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ngf_core.data.floats import as_floats
from ngf_core.models.build import tunable_layers
from ngf_core.models.cut import Crossing, Walk, cut
from ngf_core.models.graph import trace
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.kept_activations import MEMORY, keep, walks

BATCH = 250


@dataclass(frozen=True)
class Station:
    """One layer of a model, and how to tune it and measure the effect.

    network: what a method is given together with `batches` and the layer's `key` in it: the network
    behind the layer where activations could be kept, else the whole model. It shares the model's
    layers, so that tuning it tunes the model.
    """

    name: str
    index: int
    depth: float
    layer: nn.Module
    network: nn.Module
    key: str
    batches: CleanBatches
    shown: Mapping[str, tuple[nn.Module, Crossing | Tensor]]

    def logits(self, images: str) -> Tensor:
        """(n, C) of the model as it is now, for the images of that name."""
        network, inputs = self.shown[images]
        with torch.no_grad():
            if isinstance(inputs, Tensor):
                return torch.cat([network(part) for part in inputs.split(BATCH)])
            parts = [network(part) for part in zip(*(t.split(BATCH) for t in inputs), strict=True)]
        return torch.cat(parts)


def stations(model: nn.Module, batches: CleanBatches, images: Mapping[str, Tensor]
             ) -> Iterator[Station]:
    """Every tunable layer of a model in eval mode, from input to output.

    batches: the defender's; where every step draws new ones only the images' activations can be
    kept. images: sets (n, C, H, W) for which `Station.logits` will be called. Before the next
    station is taken, the layer must be restored, since the next one's inputs pass through it.
    """
    layers = tunable_layers(model)
    where = next(model.parameters()).device
    sets = {name: x.to(where) for name, x in images.items()}
    graph = trace(model)
    probe = as_floats(batches.clean.x[:3].to(where))
    cuts = {name: cut(graph, [layer], probe) for name, layer in layers.items()}
    ahead = [c for c in cuts.values() if c is not None]
    clean = walks(graph, ahead, batches) if graph and ahead and batches.copies else []
    shown = {n: Walk(graph, ahead, x, BATCH, MEMORY)
             for n, x in sets.items()} if graph and ahead else {}
    for index, (name, layer) in enumerate(layers.items()):
        network, key, seen, found = model, name, batches, cuts[name]
        views: dict[str, tuple[nn.Module, Crossing | Tensor]] = {n: (model, x)
                                                                 for n, x in sets.items()}
        if found is not None:
            kept = keep(batches, clean, found) if clean else None
            if kept is not None:
                network, key, seen = found.rest, f"rest.{name}", kept
            crossing = {n: walk.at(found) for n, walk in shown.items()}
            views |= {n: (found.rest, c) for n, c in crossing.items() if c is not None}
        yield Station(name, index, index / max(1, len(layers) - 1), layer, network, key, seen,
                      views)
