"""What one image costs a network, counted on its graph: nothing is computed, no weight allocated.

torch's meta device runs the network on shapes alone. Multiply-adds are half the operations that
`torch.utils.flop_counter` counts (convolutions, matrix products, attention); bytes are those of the
tensors that the operations really make, in float32.
"""

import weakref
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, UntypedStorage, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from ngf_core.curvature.operators.memory import measure_graph
from ngf_core.models.build import build_model, last_layer, tunable_layers


@dataclass(frozen=True)
class Network:
    """A network on images of `pixels` (H W) in `channels`, and what one image costs it.

    multiply_adds: of a forward pass. written: bytes of all results of that pass. alive: the most of
    them at a time. saved: bytes that a training pass keeps for the way back. weights: their number.
    features, classes: of the layer that returns the logits.
    """

    multiply_adds: float
    written: float
    alive: float
    saved: float
    weights: int
    features: int
    classes: int
    channels: int
    pixels: int

    @property
    def image(self) -> float:
        """Bytes of one image, uint8."""
        return float(self.channels * self.pixels)


@lru_cache
def network_of(arch: str, side: int, classes: int = 10, channels: int = 3) -> Network:
    """The network called `arch` on images of `side` by `side` pixels."""
    with torch.device("meta"):
        return counted(build_model(arch, (channels, side, side), classes),
                       torch.zeros(1, channels, side, side))


def counted(model: nn.Module, image: Tensor) -> Network:
    """The counts of a model, on its device; image: (1, C, H, W)."""
    flops, bytes_ = FlopCounterMode(display=False), _Written([image, *model.state_dict().values()])
    with torch.no_grad(), flops, bytes_:
        model.eval()(image)
    # BatchNorm in training has no variance over one image of one pixel, so that one is added.
    model.train()
    graph = measure_graph(lambda n: model(image.expand(n + 1, *image.shape[1:])), 3,
                          model.parameters())
    head = tunable_layers(model)[last_layer(model)]
    return Network(flops.get_total_flops() / 2, bytes_.written, bytes_.most, graph.per_sample,
                   sum(p.numel() for p in model.parameters()), head.weight[0].numel(),
                   len(head.weight), image.shape[1], image.shape[2] * image.shape[3])


class _Written(TorchDispatchMode):
    """Counts the bytes of results while operations run: of all, and of those alive at a time.

    A view is no result; what works in place writes its tensor again.
    """

    def __init__(self, given: list[Tensor]) -> None:
        super().__init__()
        self.written = self.most = 0.0
        self._alive = 0.0
        self._known: dict[int, weakref.ref[UntypedStorage]] = {}
        self._given = {tensor.untyped_storage()._cdata for tensor in given}

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (),
                           kwargs: dict[str, Any] | None = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(found):
            if isinstance(tensor, Tensor):
                self._see(tensor, in_place=func._schema.is_mutable)
        return found

    def _see(self, tensor: Tensor, in_place: bool) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._known or key in self._given:
            self.written += size if in_place else 0
            return
        self._known[key] = weakref.ref(storage, lambda _: self._gone(key, size))
        self.written += size
        self._alive += size
        self.most = max(self.most, self._alive)

    def _gone(self, key: int, size: int) -> None:
        del self._known[key]
        self._alive -= size
