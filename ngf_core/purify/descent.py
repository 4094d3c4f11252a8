"""SGD within a budget of passes, along a gradient that the method supplies."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from ngf_core.errors import ConfigError
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.batchnorm import recalibrate_batchnorm
from ngf_core.purify.step import Diverged, Step, Stopwatch, cosine
from ngf_core.purify.weights import assign, flat, only_trainable

Gradient = Callable[[Tensor, Tensor], Tensor]


def prepare(model: nn.Module, tuned: Sequence[nn.Parameter], batches: CleanBatches,
            watch: Stopwatch) -> None:
    """Eval mode, gradients for `tuned` alone, BatchNorm as the budget sets it."""
    only_trainable(model, list(tuned))
    if batches.budget.batchnorm == "recalibrated":
        with watch:
            recalibrate_batchnorm(model, batches)


def tune(title: str, tuned: Sequence[nn.Parameter], gradient: Gradient, batches: CleanBatches,
         spent: Callable[[int], int], watch: Stopwatch, *, lr: float, lr_end: float = 0.0,
         momentum: float = 0.9, weight_decay: float = 0.0, first: int = 0,
         written: Callable[[], object] = lambda: None) -> Iterator[Step]:
    """Update `tuned` as long as passes and seconds last, at least once.

    gradient(x, y) -> the clean batch's loss; it leaves the gradients in `.grad`. Update number k
    sees batches(first + k). spent(k): passes spent once k updates are made (with what came before
    them), increasing. The rate falls from `lr` to `lr_end` along a cosine of the passes that are
    left for the updates. `written()` is called after each change of `tuned`, for a method whose
    weights are computed from them.
    Raises ConfigError where the budget does not suffice for one update, Diverged, back at the last
    weights of a finite loss, when the loss is no longer finite.
    """
    budget, limit, start = batches.budget.steps, batches.budget.seconds, spent(0)
    if spent(1) > budget:
        raise ConfigError("steps", f"{budget} passes do not suffice for one update of {title}",
                          f"Use at least {spent(1)}.")
    optimiser = torch.optim.SGD(tuned, lr, momentum=momentum, weight_decay=weight_decay)
    before = flat(tuned)
    for k in itertools.count():
        if spent(k + 1) > budget or k and 0 < limit <= watch.seconds:
            return
        with watch:
            for group in optimiser.param_groups:
                share = cosine(spent(k) - start, budget - start)
                group["lr"] = lr_end + (lr - lr_end) * share
            optimiser.zero_grad(set_to_none=True)
            loss = gradient(*batches(first + k))
            if not torch.isfinite(loss):
                assign(tuned, before)
                written()
                raise Diverged(f"{title} diverged after {spent(k)} passes: the clean loss is no "
                               "longer finite. Use a smaller learning rate (a tenth).")
            before = flat(tuned)
            optimiser.step()
            written()
        yield Step(spent(k + 1), loss.item(), watch.seconds)
