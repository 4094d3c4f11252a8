"""NFT, neural mask fine-tuning (Karim et al., "Augmented Neural Fine-Tuning for Efficient Backdoor
Purification", ECCV 2024, arXiv 2407.10052).

    x' = lam x_a + (1 - lam) x_b,   lam ~ Beta(1, 1), uniform                       MixUp
    min over m   lam CE(m * w; x', y_a) + (1 - lam) CE(m * w; x', y_b) + gamma / N_c sum_k |1 - m_k|
    m_k in [alpha exp(-beta l), 1]  for the channels of layer l = 1, 2, ...

One factor m_k per channel (`ngf_core.purify.masks`: BatchNorm's scale, its shift stays); nothing
else is tuned, and deeper layers may be damped more. N_c: clean images per class.

Published (released code): SGD of rate 0.05 falling along a cosine to 0.02, momentum 0.95, 1000
iterations with batches of 128, alpha 0.8, beta 0.5, gamma 0.001, BatchNorm in training mode; it
does not run as it stands (it uses variables it never sets). Here BatchNorm is as the budget sets
it, the rate falls over the budget, networks without BatchNorm are masked in their weights, and the
loss reported is the mixed batch's cross-entropy.
"""

import copy
import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.purify.batches import CleanBatches, CleanSet
from ngf_core.purify.budget import Budget
from ngf_core.purify.descent import prepare, tune
from ngf_core.purify.masks import Channels, channels_of
from ngf_core.purify.settings.nft import NFT
from ngf_core.purify.step import Step, Stopwatch


def nft(model: nn.Module, clean: CleanSet, own: NFT, budget: Budget) -> Iterator[Step]:
    """Tune the masks of all channels, and scale the network by them after each update.

    Raises ConfigError for a network of a single layer, Diverged where the loss is no longer finite.
    """
    batches = CleanBatches(clean, budget, next(model.parameters()).device)
    watch = Stopwatch()
    prepare(model, [], batches, watch)
    with watch:
        channels = channels_of(copy.deepcopy(model), "NFT")
    mask = nn.Parameter(channels.ones())
    lowest = lower_bounds(channels, own)
    mixing = torch.Generator().manual_seed(budget.seed)

    def gradient(x: Tensor, y: Tensor) -> Tensor:
        share = float(torch.rand((), generator=mixing))
        partner = torch.randperm(len(x), generator=mixing).to(x.device)
        logits = channels.outputs(share * x + (1 - share) * x[partner], mask)
        loss = share * F.cross_entropy(logits, y) + (1 - share) * F.cross_entropy(logits,
                                                                                  y[partner])
        each = len(clean) / logits.shape[1]
        (loss + own.gamma / each * (1 - mask).abs().sum()).backward()
        return loss.detach()

    def write() -> None:
        with torch.no_grad():
            mask.copy_(mask.clamp(lowest, torch.ones_like(lowest)))
            parts = mask.split(channels.sizes)
            for (name, layer), part in zip(channels.layers.items(), parts, strict=True):
                weight = model.get_parameter(f"{name}.weight")
                weight.copy_(layer.weight * part.view(-1, *[1] * (weight.ndim - 1)))

    yield from tune("NFT", [mask], gradient, batches, lambda k: k, watch, lr=own.lr,
                    lr_end=own.lr_end, momentum=0.95, written=write)


def lower_bounds(channels: Channels, own: NFT) -> Tensor:
    """alpha exp(-beta l) for each channel, (channels,), with l = 1 for the first layer."""
    bounds = [torch.full((size,), own.alpha * math.exp(-own.beta * (k + 1)))
              for k, size in enumerate(channels.sizes)]
    return torch.cat(bounds).to(channels.ones())
