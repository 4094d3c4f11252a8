"""Adversarial Weight Masking (Chai and Chen, "One-shot Neural Backdoor Erasing via Adversarial
Weight Masking", NeurIPS 2022, arXiv 2207.04497).

    min over m in [0, 1]^P of  alpha L(x; m * w)
                             + (1 - alpha) max over |delta|_1 <= tau of L(x + delta; m * w)
                             + gamma |m|_1

with one soft mask per weight w of the convolutions and linear layers except the last, and one
pattern delta for all images, which stands for the unknown trigger: the weights that serve it are
faded out. Nothing is cut and no threshold chosen; the model holds m * w.

Published: five ascents of SGD with rate 10 from delta = 0 before each update, tau 1000 for 3x32x32
numbers, alpha 0.9, gamma 1e-8, Adam of rate 0.01 (times 0.9 per epoch) on the masks, some 400
updates. Adapted to a small budget: delta starts where the last update left it, so that one ascent
suffices, and an ascent adds half of tau along the gradient, which needs no rate and still moves
where the loss is flat; x + delta is clipped to [0, 1], and tau is smaller: the published one cost a
small network nearly half of its clean accuracy, this one an eighth. The masks' rate is larger and
falls along a cosine. An update takes ascents + 2 passes. BatchNorm is as the budget sets it.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from ngf_core.errors import ConfigError
from ngf_core.models.build import tunable_layers
from ngf_core.purify.batches import CleanBatches, CleanSet
from ngf_core.purify.budget import Budget
from ngf_core.purify.descent import prepare
from ngf_core.purify.settings.awm import AWM
from ngf_core.purify.step import Diverged, Step, Stopwatch, cosine
from ngf_core.purify.weights import assign, flat

STRIDE = 0.5  # of tau, by which an ascent moves


def awm(model: nn.Module, clean: CleanSet, own: AWM, budget: Budget) -> Iterator[Step]:
    """Learn the masks; after every update the model holds the masked weights.

    The loss reported is that on clean images. `found` holds the masks' mean and |delta|_1. Raises
    ConfigError where the budget holds no update or the network has a single layer, Diverged, back
    at the last weights of a finite loss, when a loss is no longer finite.
    """
    passes = own.ascents + 2
    if budget.steps < passes:
        raise ConfigError("steps", f"{budget.steps} passes do not suffice for one update of AWM",
                          f"Use at least {passes}.")
    layers = dict(list(tunable_layers(model).items())[:-1])
    if not layers:
        raise ConfigError("methods", "AWM masks weights inside a network, and this one has a "
                          "single layer", "Use finetune.")
    weights = [layer.weight for layer in layers.values()]
    device = weights[0].device
    batches = CleanBatches(clean, budget, device)
    watch = Stopwatch()
    prepare(model, [], batches, watch)
    received = flat(weights)
    mask = torch.ones_like(received, requires_grad=True)
    before = received.clone()
    optimiser = torch.optim.Adam([mask], own.lr)
    delta = torch.zeros(1, *clean.shape, dtype=received.dtype, device=device)

    def outputs(x: Tensor, mask: Tensor) -> Tensor:
        parts = (mask * received).split([w.numel() for w in weights])
        masked = {f"{name}.weight": part.view(layer.weight.shape)
                  for (name, layer), part in zip(layers.items(), parts, strict=True)}
        logits: Tensor = functional_call(model, masked, (x,))
        return logits

    def stamped(x: Tensor, y: Tensor, delta: Tensor, mask: Tensor) -> Tensor:
        return F.cross_entropy(outputs((x + delta).clamp(0, 1), mask), y)

    for update in range(budget.steps // passes):
        with watch:
            x, y = batches(update)
            for _ in range(own.ascents):
                delta.requires_grad_(True)
                (slope,) = torch.autograd.grad(stamped(x, y, delta, mask.detach()), delta)
                delta = pushed(delta.detach(), slope, own.tau * delta.numel())
            plain = F.cross_entropy(outputs(x, mask), y)
            attacked = stamped(x, y, delta, mask)
            if not torch.isfinite(plain + attacked):
                assign(weights, before)
                raise Diverged(f"AWM diverged after {update * passes} passes: the loss is no longer"
                               " finite. Use a smaller awm.lr (a tenth).")
            before = flat(weights)
            optimiser.zero_grad(set_to_none=True)
            for group in optimiser.param_groups:
                group["lr"] = own.lr * cosine(update * passes, budget.steps)
            (own.alpha * plain + (1 - own.alpha) * attacked + own.gamma * mask.sum()).backward()
            optimiser.step()
            mask.data.clamp_(0, 1)
            assign(weights, mask.detach() * received)
        yield Step((update + 1) * passes, plain.item(), watch.seconds, found={
            "mean_mask": round(mask.mean().item(), 4),
            "pattern_l1": round(delta.abs().sum().item(), 2)})


def pushed(delta: Tensor, slope: Tensor, tau: float) -> Tensor:
    """delta moved by STRIDE * tau, in the norm |.|_1, along `slope`, scaled back to |.|_1 <= tau.

    It stays where it is where the slope is zero.
    """
    tiny = torch.finfo(slope.dtype).tiny
    moved = delta + slope / slope.abs().sum().clamp(min=tiny) * (STRIDE * tau)
    return moved * (tau / moved.abs().sum().clamp(min=tiny)).clamp(max=1)
