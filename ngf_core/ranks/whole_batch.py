"""A network that all ranks train together and that each sees as if it were alone.

Outside of the network every rank holds the whole batch, the whole output and the whole loss, so
that a loss over pairs of samples, or a generator trained along, is what it is on one process. The
network itself computes a rank's share. On the way back each rank takes its rows of the gradient by
the outputs; DistributedDataParallel then adds up the gradients of the weights, and those by the
inputs are joined, where they are wanted.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ngf_core.ranks.batchnorm import WholeBatchStatistics
from ngf_core.ranks.group import Ranks


class WholeBatch(nn.Module):
    """`model`, to be called by every rank with the same batch (n, ...): its outputs for all of it.

    n may be less than there are ranks. BatchNorm has the statistics of the whole batch. In
    training mode a backward pass leaves the same gradients in the model's parameters on all ranks;
    in evaluation mode, and where the model is not to be `trained`, there are gradients by the
    inputs alone. It begins in the mode in which the model is, and sets the model's with its own.
    """

    def __init__(self, model: nn.Module, ranks: Ranks, trained: bool = True) -> None:
        super().__init__()
        self._ranks, self._model = ranks, model
        self._trained = ranks.fabric.setup_module(model) if trained else model
        self.training = model.training

    def forward(self, x: Tensor) -> Tensor:
        network = self._trained if self.training else self._model
        own = _Share.apply(x, self._ranks)  # type: ignore[no-untyped-call]  # torch's own
        with WholeBatchStatistics(self._ranks):
            answers = network(own)
        whole: Tensor = _Whole.apply(  # type: ignore[no-untyped-call]  # torch's own
            answers, len(x), self._ranks)
        return whole


class _Share(torch.autograd.Function):
    """The whole batch to a rank's share; its gradient: all shares' joined."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, ranks: Ranks) -> Tensor:
        ctx.n, ctx.ranks = len(x), ranks
        return x[ranks.share(len(x))]

    @staticmethod
    def backward(ctx: Any, own: Tensor) -> tuple[Tensor | None, ...]:
        return ctx.ranks.join(own, ctx.n) / ctx.ranks.count, None


class _Whole(torch.autograd.Function):
    """A rank's share of the outputs to all of them; its gradient: the rank's rows, times the number
    of ranks, by which DistributedDataParallel divides."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, n: int, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        return ranks.join(own, n)

    @staticmethod
    def backward(ctx: Any, whole: Tensor) -> tuple[Tensor | None, ...]:
        own = whole[ctx.ranks.share(len(whole))]
        return own * ctx.ranks.count, None, None
