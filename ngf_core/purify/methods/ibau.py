"""I-BAU: unlearning by implicit hypergradient (Zeng et al., ICLR 2022, arXiv 2110.03735).

    min_w  max_{|d| <= C}  L(x + d; w)        one perturbation d (C, H, W) for all images

    inner    d ascends L(x + d) - c |d|^2 for some steps, within the ball
    outer    w follows the total derivative of L at d(w), by Adam:
             dL/dw + v^T dphi/dw,   v = sum_{j < K} (dL/dd) (dphi/dd)^j,
             phi(d) = d + a grad_d (L - c |d|^2)    whose fixed point d(w) is

so a weight is also judged by what it does to the worst perturbation. phi's derivatives are products
through one graph of grad_d: (dphi/dd) v = v + a H v, and v^T dphi/dw = a grad_w (grad_d L . v).

Published (authors' code): 5 rounds over 50 batches of 100, one ascent step of rate 10 and one
update for each; K = 5, a = 0.1, c = 0.001, Adam 1e-3 (BackdoorBench 1e-4, with the ball of radius
10, which the authors' code leaves out). In the update 1 % of the batch carries d; in the paper's
formula all of it does (`portion` 1). Here the numbers of `ascents` and `updates` per round differ
and are such that about five rounds fit into 100 passes. An ascent counts as one pass (clean loss,
forward and back), an update as K + 3 (measured: 8.6 at K = 5, one for its gradient, the rest
derivatives of derivatives), and the ball is kept. Not reproduced: the authors' implicit term sees
the first batch in every update, their ascent uses the model's own answers where the loss has
labels, and their clean set is half of the test images.
"""

import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.curvature.operators.double_backward import differentiable_again
from ngf_core.errors import ConfigError
from ngf_core.purify.batches import CleanBatches, CleanSet
from ngf_core.purify.budget import Budget
from ngf_core.purify.descent import prepare
from ngf_core.purify.settings.ibau import IBAU
from ngf_core.purify.step import Diverged, Step, Stopwatch
from ngf_core.purify.weights import assign, flat


def ibau(model: nn.Module, clean: CleanSet, own: IBAU, budget: Budget) -> Iterator[Step]:
    """Tune the whole network; a step is one ascent or one update, its loss that on clean images.

    Raises ConfigError where the budget does not suffice for one round with one update, Diverged,
    back at the last weights of a finite loss, when the loss is no longer finite.
    """
    cost, spent = own.terms + 3, 0
    if own.ascents + cost > budget.steps:
        raise ConfigError("steps", f"{budget.steps} passes do not suffice for one update of I-BAU",
                          f"Use at least {own.ascents + cost}.")
    tuned = list(model.parameters())
    batches = CleanBatches(clean, budget, tuned[0].device)
    chosen = torch.Generator().manual_seed(budget.seed)
    watch = Stopwatch()
    prepare(model, tuned, batches, watch)
    optimiser = torch.optim.Adam(tuned, own.lr)
    before, number = flat(tuned), 0
    while spent + own.ascents + cost <= budget.steps:
        delta = torch.zeros_like(batches(number)[0][:1])
        for kind in ["ascent"] * own.ascents + ["update"] * own.updates:
            price = 1 if kind == "ascent" else cost
            if spent + price > budget.steps:
                return
            with watch:
                x, y = batches(number)
                with torch.no_grad():
                    loss = F.cross_entropy(model(x), y)
                if not torch.isfinite(loss):
                    assign(tuned, before)
                    raise Diverged(f"I-BAU diverged after {spent} passes: the clean loss is no "
                                   "longer finite. Use a smaller ibau.lr (a tenth).")
                if kind == "ascent":
                    delta = ascend(model, x, y, delta, own)
                else:
                    before = flat(tuned)
                    stamped = torch.randperm(len(x), generator=chosen)
                    stamped = stamped[: math.ceil(own.portion * len(x))].to(x.device)
                    gradients = hypergradient(model, tuned, x, y, delta, stamped, own)
                    for p, g in zip(tuned, gradients, strict=True):
                        p.grad = g
                    optimiser.step()
            spent, number = spent + price, number + 1
            yield Step(spent, loss.item(), watch.seconds)


def ascend(model: nn.Module, x: Tensor, y: Tensor, delta: Tensor, own: IBAU) -> Tensor:
    """One ascent of the perturbation `delta` (1, ...), back within the ball."""
    delta = delta.detach().requires_grad_()
    (slope,) = torch.autograd.grad(_inner(model, x, y, delta, own.penalty), delta)
    moved = delta.detach() + own.perturbation_lr * slope
    shrunk: Tensor = moved * (own.radius / moved.norm()).clamp(max=1)
    return shrunk


def hypergradient(model: nn.Module, tuned: Sequence[nn.Parameter], x: Tensor, y: Tensor,
                  delta: Tensor, stamped: Tensor, own: IBAU) -> list[Tensor]:
    """The total derivative by the parameters `tuned` of the loss with `delta` on images `stamped`.

    Exact where delta is phi's fixed point and K large; K terms of the series otherwise.
    """
    delta = delta.detach().requires_grad_()
    carried = torch.zeros(len(x), *[1] * (x.ndim - 1), dtype=x.dtype, device=x.device)
    carried = carried.index_fill(0, stamped, 1) * delta
    outer = F.cross_entropy(model(x + carried), y)
    *direct, at_delta = torch.autograd.grad(outer, [*tuned, delta], materialize_grads=True)
    with differentiable_again():
        inner = _inner(model, x, y, delta, own.penalty)
        (slope,) = torch.autograd.grad(inner, delta, create_graph=True)
    v = at_delta
    for _ in range(own.terms - 1):
        (curved,) = torch.autograd.grad(slope, delta, v, retain_graph=True)
        v = at_delta + v + own.inner_rate * curved
    mixed = torch.autograd.grad(slope, tuned, v, allow_unused=True)
    return [g if m is None else g + own.inner_rate * m for g, m in zip(direct, mixed, strict=True)]


def _inner(model: nn.Module, x: Tensor, y: Tensor, delta: Tensor, penalty: float) -> Tensor:
    return F.cross_entropy(model(x + delta), y) - penalty * delta.square().sum()
