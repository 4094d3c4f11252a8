"""Reconstructive Neuron Pruning (Li, Lyu, Ma, Koren, Lyu, Li and Jiang, "Reconstructive Neuron
Pruning for Backdoor Defense", ICML 2023, arXiv 2305.14876).

    unlearn   w' : gradient ascent on L(w) over clean data until it is forgotten
    recover   min over m in [0, 1]^C of  alpha L(m * w'),   w' fixed
    prune     the channels of the *received* network with the smallest masks (`pruning.prune`)

A copy is made to forget the clean task; the channels that must be switched off to recover it are
those that work against clean data, the backdoor's. The task counts as forgotten once accuracy on a
batch is at most chance plus a ninth of the rest: 0.2 with ten classes, as published.

Published: ascent by SGD of rate 0.01, momentum 0.9 and gradients clipped to norm 20 for at most 20
epochs down to accuracy 0.2; recovery by SGD of rate 0.2, momentum 0.9 for 20 epochs, alpha 0.2.
Here unlearning may take half of the budget, recovery takes the rest; accuracy is that of the last
batch, which costs nothing. Both run, as published, with BatchNorm on batch statistics; running
statistics stay as the budget sets them, and the pruned network is judged with them.
"""

import copy
import dataclasses
from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.errors import ConfigError
from ngf_core.purify.batches import CleanBatches, CleanSet
from ngf_core.purify.batchnorm import batch_statistics
from ngf_core.purify.budget import Budget
from ngf_core.purify.descent import prepare, tune
from ngf_core.purify.masks import channels_of
from ngf_core.purify.pruning import prune
from ngf_core.purify.settings.rnp import RNP
from ngf_core.purify.step import Step, Stopwatch, is_last, part_of
from ngf_core.purify.weights import assign, flat, only_trainable


def rnp(model: nn.Module, clean: CleanSet, own: RNP, budget: Budget) -> Iterator[Step]:
    """Unlearn and recover on a copy, then cut; the model is as received until the last step.

    The loss reported is that of the copy. `found` holds the channels cut by layer and the passes
    that unlearning took. Raises ConfigError where the budget is a single pass or the network has a
    single layer, Diverged where a loss is no longer finite.
    """
    if budget.steps < 2:
        raise ConfigError("steps", "1 pass does not suffice to unlearn and to recover",
                          "Use at least 2.")
    channels = channels_of(model, "RNP")
    mask = nn.Parameter(channels.ones())
    batches = CleanBatches(clean, budget, mask.device)
    watch = Stopwatch()
    prepare(model, [], batches, watch)
    with watch:
        forgetful = copy.deepcopy(model)
        weights = list(forgetful.parameters())
        only_trainable(forgetful, weights)
    forgotten, reached = False, flat(weights)

    def ascend(x: Tensor, y: Tensor) -> Tensor:
        nonlocal forgotten, reached
        with batch_statistics(forgetful):
            logits = forgetful(x)
        loss = F.cross_entropy(logits, y)
        (-loss).backward()
        nn.utils.clip_grad_norm_(weights, own.clip)
        accuracy, chance = (logits.argmax(1) == y).double().mean(), 1 / logits.shape[1]
        forgotten, reached = bool(accuracy <= chance + own.left * (1 - chance)), flat(weights)
        return loss.detach()

    half = CleanBatches(clean, part_of(budget, 1 / 2, budget.steps // 2), mask.device)
    spent = 0
    for step in tune("RNP's unlearning", weights, ascend, half, lambda k: k, watch,
                     lr=own.unlearning_lr, lr_end=own.unlearning_lr):
        spent = step.step
        if is_last(step, budget):  # no time to recover: no channel has a mask
            step = dataclasses.replace(step, found={"cut": {}, "unlearning_passes": spent})
        yield step
        if forgotten:
            assign(weights, reached)  # one step further the loss may be 100 times larger
            break

    only_trainable(forgetful, [])
    copied = channels_of(forgetful, "RNP")

    def recover(x: Tensor, y: Tensor) -> Tensor:
        with batch_statistics(forgetful):
            loss = F.cross_entropy(copied.outputs(x, mask), y)
        (own.alpha * loss).backward()
        return loss.detach()

    for step in tune("RNP's recovery", [mask], recover, batches, lambda k: spent + k, watch,
                     lr=own.recovery_lr, lr_end=own.recovery_lr, first=spent,
                     written=lambda: mask.data.clamp_(0, 1)):
        if is_last(step, budget):
            with watch:
                cut = prune(channels, mask.detach(), own.below, own.tolerance, batches)
            step = dataclasses.replace(step, seconds=watch.seconds, found={
                "cut": channels.named(cut), "unlearning_passes": spent})
        yield step
