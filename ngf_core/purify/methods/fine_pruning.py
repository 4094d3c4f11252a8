"""Fine-Pruning (Liu, Dolan-Gavitt and Garg, "Fine-Pruning: Defending Against Backdooring Attacks on
Deep Neural Networks", RAID 2018, arXiv 1805.12185).

Channels of the last convolution that clean images leave dormant are cut, in order of their mean
activation over the clean set, as long as clean accuracy on the clean set falls by at most
`tolerance`; then the whole network is fine-tuned, and what was cut stays cut.

    a_k = mean over images and positions of relu(BN(z))_k     BatchNorm after the convolution
    a_k = mean over images and positions of |z_k|             none (pre-activation networks)

The second line is a residual branch's contribution to the sum that comes next; published code
takes the mean of z_k with its sign, so that a channel which always subtracts counts as dormant.

Published (BackdoorBench): tolerance 0.1, then SGD of rate 0.01 for 100 epochs. Here pruning
evaluates the clean set about log2(channels) times, forward only, and the budget goes to the
fine-tuning.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.purify.batches import CleanBatches, CleanSet
from ngf_core.purify.budget import Budget
from ngf_core.purify.channels import PrunableConvolution, convolutions, silence
from ngf_core.purify.descent import prepare, tune
from ngf_core.purify.pruning import clean_accuracy, most
from ngf_core.purify.settings.fine_pruning import FinePruning
from ngf_core.purify.step import Step, Stopwatch


def fine_pruning(model: nn.Module, clean: CleanSet, own: FinePruning, budget: Budget
                 ) -> Iterator[Step]:
    """Prune the last convolution, then fine-tune the network; `found` lists the channels cut.

    Raises ConfigError for a network with fewer than two convolutions, Diverged where the loss is
    no longer finite.
    """
    tuned = list(model.parameters())
    batches = CleanBatches(clean, budget, tuned[0].device)
    watch = Stopwatch()
    prepare(model, tuned, batches, watch)
    with watch:
        last = convolutions(model, clean.shape, "Fine-Pruning")[-1]
        cut = dormant(model, last, batches, own.tolerance)
        silence(last, cut)
    found = {"cut": {last.name: cut.tolist()}}

    def gradient(x: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss.detach()

    for step in tune("Fine-Pruning", tuned, gradient, batches, lambda k: k, watch, lr=own.lr,
                     written=lambda: silence(last, cut)):
        yield dataclasses.replace(step, found=found)


def activations(model: nn.Module, convolution: PrunableConvolution, batches: CleanBatches
                ) -> Tensor:
    """a_k, (channels,), over the clean set as it is."""
    total = torch.zeros(())

    def add(_: nn.Module, __: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal total
        active = out.abs() if convolution.after is None else out.relu()
        total = total + active.mean((2, 3)).sum(0)

    handle = (convolution.after or convolution.layer).register_forward_hook(add)
    try:
        with torch.no_grad():
            for x, _ in batches.whole():
                model(x)
    finally:
        handle.remove()
    return total / len(batches.clean)


def dormant(model: nn.Module, convolution: PrunableConvolution, batches: CleanBatches,
            tolerance: float) -> Tensor:
    """Indices of the channels to cut, ascending by activation; at least one channel is kept."""
    order = activations(model, convolution, batches).argsort(stable=True)
    floor = clean_accuracy(model, batches) - tolerance

    def acceptable(count: int) -> bool:
        with without(convolution, order[:count]):
            return clean_accuracy(model, batches) >= floor

    return order[: most(len(order) - 1, acceptable)]


@contextmanager
def without(convolution: PrunableConvolution, channels: Tensor) -> Iterator[None]:
    """The network as if these channels of the convolution had been silenced."""

    def mute(_: nn.Module, __: tuple[Tensor, ...], out: Tensor) -> Tensor:
        return out.index_fill(1, channels, 0)

    handle = (convolution.after or convolution.layer).register_forward_hook(mute)
    try:
        yield
    finally:
        handle.remove()
