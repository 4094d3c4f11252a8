"""Adversarial Neuron Pruning (Wu and Wang, "Adversarial Neuron Pruning Purifies Backdoored Deep
Models", NeurIPS 2021, arXiv 2110.14430).

    min over m in [0, 1]^C of  alpha L(m * w, b)
                             + (1 - alpha) max over |d|, |e| <= eps of L((m + d) * w, (1 + e) * b)

with one mask m, and perturbations d of the weight and e of the bias, for each channel: channels
that a small relative change turns against clean images are the backdoor's, and their masks fall.
The inner maximum starts at random and takes `ascents` steps of eps / ascents along the gradient's
sign. Channels of the smallest masks are then cut (`pruning.prune`).

Published: eps 0.4, one ascent, alpha 0.2, SGD of rate 0.2 and momentum 0.9 on the masks, 2000
iterations. Here an update takes ascents + 2 passes, so that 100 passes are 33 updates. Published
code starts the perturbation anywhere in the box and steps by eps without projecting back, so that
it reaches 2 eps; here it is clipped.

The masks are learned, as published, with BatchNorm on batch statistics: with fixed ones channels
perturbed by 40 % in every layer ruin a small network whatever its masks, and all masks fall. (Clean
loss of the zoo's BadNets model after 8 updates: 2.5, with batch statistics 1.0.) Running statistics
stay as the budget sets them, and the pruned network is judged with them.
"""

import dataclasses
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.purify.batches import CleanBatches, CleanSet
from ngf_core.purify.batchnorm import batch_statistics
from ngf_core.purify.budget import Budget
from ngf_core.purify.descent import prepare, tune
from ngf_core.purify.masks import Channels, channels_of
from ngf_core.purify.pruning import prune
from ngf_core.purify.settings.anp import ANP
from ngf_core.purify.step import Step, Stopwatch, is_last


def anp(model: nn.Module, clean: CleanSet, own: ANP, budget: Budget) -> Iterator[Step]:
    """Learn the masks, then cut; the model is as received until the last step.

    The loss reported is the masked network's, unperturbed. `found` lists the channels cut by layer.
    Raises ConfigError where the budget holds no update or the network has a single layer, Diverged
    where the loss is no longer finite.
    """
    channels = channels_of(model, "ANP")
    mask = nn.Parameter(channels.ones())
    batches = CleanBatches(clean, budget, mask.device)
    generator = torch.Generator().manual_seed(budget.seed)
    watch = Stopwatch()
    prepare(model, [], batches, watch)

    def gradient(x: Tensor, y: Tensor) -> Tensor:
        start = own.eps * (2 * torch.rand(2, len(channels), generator=generator) - 1)
        with batch_statistics(model):
            worst = ascend(channels, mask.detach(), start.to(mask), x, y, own)
            plain = F.cross_entropy(channels.outputs(x, mask), y)
            robust = F.cross_entropy(channels.outputs(x, mask + worst[0], 1 + worst[1]), y)
        (own.alpha * plain + (1 - own.alpha) * robust).backward()
        return plain.detach()

    passes = own.ascents + 2
    for step in tune("ANP", [mask], gradient, batches, lambda k: passes * k, watch, lr=own.lr,
                     lr_end=own.lr, written=lambda: mask.data.clamp_(0, 1)):
        if is_last(step, budget, passes):
            with watch:
                cut = prune(channels, mask.detach(), own.below, own.tolerance, batches)
            step = dataclasses.replace(step, seconds=watch.seconds,
                                       found={"cut": channels.named(cut)})
        yield step


def ascend(channels: Channels, mask: Tensor, start: Tensor, x: Tensor, y: Tensor, own: ANP
           ) -> Tensor:
    """The perturbation (2, channels), of weights and biases, that `own.ascents` steps lead to."""
    worst = start
    for _ in range(own.ascents):
        worst = worst.detach().requires_grad_(True)
        loss = F.cross_entropy(channels.outputs(x, mask + worst[0], 1 + worst[1]), y)
        (slope,) = torch.autograd.grad(loss, worst)
        worst = (worst + own.eps / own.ascents * slope.sign()).clamp(-own.eps, own.eps)
    return worst.detach()
