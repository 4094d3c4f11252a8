"""Neural Cleanse (Wang, Yao, Shan, Li, Viswanath, Zheng and Zhao, "Neural Cleanse: Identifying and
Mitigating Backdoor Attacks in Neural Networks", IEEE S&P 2019).

For every class c the smallest stamp that turns clean images into c is reverse-engineered,

    min over m_c in [0, 1]^(H x W), p_c in [0, 1]^(C x H x W) of
        CE((1 - m_c) x + m_c p_c -> c) + lambda_c |m_c|_1,

and a class whose |m_c|_1 is an outlier on the small side is taken for an attacker's target:

    index_c = | |m_c|_1 - median | / (1.4826 MAD),    flagged: index_c > 2, |m_c|_1 < median,
                                                      and the stamp works.

Then the network is fine-tuned with the found stamps on a fifth of each clean batch under the true
labels. Where no class is flagged it stays unchanged: the search has then spent its `share`, 80 % of
the budget, and the rest is not spent.

Published: one class after another, Adam of rate 0.1 (betas 0.5, 0.9) with batches of 32, lambda
from 1e-3, doubled after five batches at 99 % success and divided by 2^1.5 after five below; then
one epoch over 10 % of the training set. Adapted to a small budget: all classes search at once, each
on its equal part of every batch, so that one pass serves them all: 256 images and ten classes make
steps on 26 images per class; lambda follows the success over the last `patience` passes. The
gradient of the unlearning is clipped, since stamped images start at a loss of ten and more: without
that a small network lost its clean accuracy in a few steps. The method is known to miss triggers
that are not small stamps (blends, warps, all-to-all).
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.errors import ConfigError
from ngf_core.purify.batches import CleanBatches, CleanSet
from ngf_core.purify.budget import Budget
from ngf_core.purify.descent import prepare, tune
from ngf_core.purify.settings.neural_cleanse import NeuralCleanse
from ngf_core.purify.step import Diverged, Step, Stopwatch, is_last, part_of
from ngf_core.purify.weights import only_trainable

UP, DOWN = 2.0, 2.0**-1.5
CONSISTENT = 1.4826  # makes the MAD of a normal distribution its standard deviation


@dataclass(frozen=True)
class Stamps:
    """One stamp per class: masks (C, 1, H, W) and patterns (C, channels, H, W), in [0, 1]."""

    masks: Tensor
    patterns: Tensor

    def on(self, x: Tensor, classes: Tensor) -> Tensor:
        """Image i with the stamp of class classes[i]."""
        return x + self.masks[classes] * (self.patterns[classes] - x)

    def norms(self) -> Tensor:
        """|m_c|_1, (C,)."""
        return self.masks.flatten(1).sum(1)


def neural_cleanse(model: nn.Module, clean: CleanSet, own: NeuralCleanse, budget: Budget
                   ) -> Iterator[Step]:
    """Search for a stamp for every class, flag outliers, unlearn with their stamps.

    During the search the model does not change, and the loss reported is the received model's on
    the clean set. From the search's last step on, `found` holds for each class the stamp's norm,
    its success and its anomaly index, and the classes flagged. Raises ConfigError where the budget
    is a single pass or a batch has fewer images than there are classes, Diverged where a loss is no
    longer finite.
    """
    if budget.steps < 2:
        raise ConfigError("steps", "1 pass does not suffice to search and to unlearn",
                          "Use at least 2.")
    tuned = list(model.parameters())
    batches = CleanBatches(clean, budget, tuned[0].device)
    watch = Stopwatch()
    prepare(model, [], batches, watch)
    with torch.no_grad():
        parts = [(F.cross_entropy(logits := model(x), y).item(), len(y))
                 for x, y in batches.whole()]
    loss = sum(mean * n for mean, n in parts) / len(clean)
    classes = logits.shape[1]
    if min(budget.batch_size, len(clean)) < classes:
        raise ConfigError("batch_size", f"a batch has fewer images than the {classes} classes",
                          "Use larger batches or more clean images.")
    passes = min(max(1, round(own.share * budget.steps)), budget.steps - 1)
    search, spent = Search(model, classes, clean.shape, own, budget.seed, tuned[0]), 0
    phase, found = part_of(budget, own.share, passes), None
    while found is None:
        with watch:
            search.advance(*batches(spent))
        spent += 1
        step = Step(spent, loss, watch.seconds)
        if is_last(step, phase):
            found = verdict(search.norms, search.success, own)
        yield dataclasses.replace(step, found=found)
    if not found["flagged"]:
        return

    only_trainable(model, tuned)
    stamps, flagged = search.stamps, torch.tensor(found["flagged"], device=tuned[0].device)

    def gradient(x: Tensor, y: Tensor) -> Tensor:
        which = torch.arange(round(own.stamped * len(x)), device=x.device)
        x = x.clone()
        x[which] = stamps.on(x[which], flagged[which % len(flagged)])
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(tuned, own.clip)
        return loss.detach()

    for step in tune("Neural Cleanse", tuned, gradient, batches, lambda k: spent + k, watch,
                     lr=own.lr, first=spent):
        yield dataclasses.replace(step, found=found)


class Search:
    """The search for the stamps of all classes.

    `stamps`, `norms` and `success` are, for each class, those of the smallest stamp that worked
    over a whole window of `patience` passes, or of the latest where none has.
    """

    def __init__(self, model: nn.Module, classes: int, shape: tuple[int, ...],
                 own: NeuralCleanse, seed: int, like: Tensor) -> None:
        self._model, self._own, self._classes = model, own, classes
        generator = torch.Generator().manual_seed(seed)
        self._free = [torch.atanh(2 * (0.01 + 0.98 * torch.rand(classes, channels, *shape[1:],
                                                                generator=generator)) - 1)
                      .to(like).requires_grad_(True) for channels in (1, shape[0])]
        self._optimiser = torch.optim.Adam(self._free, own.search_lr, (0.5, 0.9))
        self._cost = torch.full((classes,), own.cost).to(like)
        self._hits, self._tries = torch.zeros(2, classes).to(like)
        self._passes = 0
        self._worked = torch.zeros(classes, dtype=torch.bool, device=like.device)
        self.stamps = self._stamps()
        self.norms, self.success = self.stamps.norms(), torch.zeros(classes).to(like)

    def _stamps(self, detached: bool = True) -> Stamps:
        masks, patterns = ((free.tanh() + 1) / 2 for free in self._free)
        return Stamps(masks.detach(), patterns.detach()) if detached else Stamps(masks, patterns)

    def advance(self, x: Tensor, y: Tensor) -> None:
        """One pass: image i serves the stamp of class (i + passes) mod C, whatever its label."""
        aim = (torch.arange(len(x), device=x.device) + self._passes) % self._classes
        stamps = self._stamps(detached=False)
        logits = self._model(stamps.on(x, aim))
        counts = aim.bincount(minlength=self._classes)
        losses = F.cross_entropy(logits, aim, reduction="none") / counts[aim]
        if not torch.isfinite(losses).all():
            raise Diverged("Neural Cleanse stopped: the loss of stamped images is not finite. Use "
                           "a smaller neural_cleanse.search_lr (a tenth).")
        self._optimiser.zero_grad(set_to_none=True)
        (losses.sum() + (self._cost * stamps.norms()).sum()).backward()
        self._hits += aim[logits.argmax(1) == aim].bincount(minlength=self._classes)
        self._tries += counts
        self._passes += 1
        if self._passes % self._own.patience == 0:
            self._judge(Stamps(stamps.masks.detach(), stamps.patterns.detach()))
        self._optimiser.step()

    def _judge(self, stamps: Stamps) -> None:
        """Keep what works and is smaller, or the latest where none has worked; move lambda."""
        success, norms = self._hits / self._tries, stamps.norms()
        works = success >= self._own.success
        better = torch.where(works, ~self._worked | (norms < self.norms), ~self._worked)
        shape = (-1, 1, 1, 1)
        self.stamps = Stamps(
            torch.where(better.view(shape), stamps.masks, self.stamps.masks),
            torch.where(better.view(shape), stamps.patterns, self.stamps.patterns))
        self.norms = torch.where(better, norms, self.norms)
        self.success = torch.where(better, success, self.success)
        self._worked |= works
        self._cost *= torch.where(works, UP, DOWN)
        self._hits.zero_(), self._tries.zero_()


def anomaly_index(norms: Tensor) -> Tensor:
    """|norm - median| / (1.4826 MAD) of each class, (C,); zero where all norms are equal."""
    away = (norms - norms.quantile(0.5)).abs()
    scale = (CONSISTENT * away.quantile(0.5)).clamp(min=1e-6 * norms.abs().max() + 1e-12)
    return away / scale


def verdict(norms: Tensor, success: Tensor, own: NeuralCleanse) -> dict[str, Any]:
    """What is reported: norm, success and index of each class, and the classes flagged."""
    index = anomaly_index(norms)
    flagged = (index > own.anomaly) & (norms < norms.quantile(0.5)) & (success >= own.success)
    return {"norms": [round(v, 3) for v in norms.tolist()],
            "success": [round(v, 3) for v in success.tolist()],
            "anomaly_index": [round(v, 3) for v in index.tolist()],
            "flagged": flagged.nonzero().flatten().tolist()}
