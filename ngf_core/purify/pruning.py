"""How many channels to cut: as many, in a given order, as clean accuracy on the clean set allows.

Decided by forward evaluations of the clean set as it is; they count in seconds, not as passes.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.masks import Channels


def clean_accuracy(outputs: Callable[[Tensor], Tensor], batches: CleanBatches) -> float:
    """Share of the clean set, not augmented, that `outputs` (images -> logits) gets right."""
    with torch.no_grad():
        hits = sum((outputs(x).argmax(1) == y).sum() for x, y in batches.whole())
    return float(hits) / len(batches.clean)


def most(count: int, acceptable: Callable[[int], bool]) -> int:
    """The largest number up to `count` that bisection finds acceptable; 0 is so by assumption.

    About log2(count) evaluations instead of the published one per channel. The number returned is
    acceptable even where accuracy does not fall steadily; a larger one may then be, too.
    """
    low, high = 0, count
    while low < high:
        middle = (low + high + 1) // 2
        if acceptable(middle):
            low = middle
        else:
            high = middle - 1
    return low


def prune(channels: Channels, masks: Tensor, below: float, tolerance: float,
          batches: CleanBatches) -> Tensor:
    """Cut the channels with the smallest `masks` (channels,) in the model; their numbers.

    Candidates are the channels with a mask under `below`, in ascending order; as many are cut as
    let clean accuracy on the clean set fall by at most `tolerance`. Clean images alone decide;
    published code of mask methods picks the threshold by accuracy and ASR on the test set.
    """
    order = masks.argsort(stable=True)
    order = order[masks[order] < below]

    def accuracy(count: int) -> float:
        mask = channels.without(order[:count])
        return clean_accuracy(lambda x: channels.outputs(x, mask), batches)

    floor = accuracy(0) - tolerance
    chosen = order[: most(len(order), lambda count: accuracy(count) >= floor)]
    channels.cut(chosen)
    return chosen
