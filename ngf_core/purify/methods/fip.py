"""FIP, Fisher-information-guided purification (Karim et al., "Fisher Information guided
Purification against Backdoor Attacks").

    L(w) = CE(w) + eta_F Tr F(w) / Tr Fbar + eta_r / 2 sum_i Fbar_ii (w_i - wbar_i)^2

Tr F smooths the loss, the last term preserves what clean images need; Fbar is the Fisher matrix at
the received weights wbar, computed once on the clean set. All weights are tuned. The Fisher is that
of `fisher`, its trace and diagonal are unbiased estimates (`ngf_core.fisher.hutchinson`).

Adapted: eta_F is in units of the received trace, so that it means the same in every network; with
Tr F unscaled, even a weight of 0.001 ruins a benign model in ten updates. 0.03 is what a benign
model tolerated in a short trial (clean loss of the tenth update 0.70 with 0.01, 0.71 with 0.03,
1.42 with 0.1). The rate is that of fine-tuning. An update without the trace term takes one pass,
one with it four (measured 3.6). Fbar takes one evaluation of the clean set before the first update,
which counts in seconds, not in passes, as NGF's does.

Published (released code): SGD of rate 0.005, momentum 0.95, batches of 128, 2000 iterations, the
trace term in every fifth, eta_F 0.5 (0.01 and 0.001 elsewhere in it and in an earlier version),
eta_r 5. Its "Fisher" terms are not Fisher terms, so its eta_F does not weight a trace:
- its log likelihood is the mean over all pairs of an image and the label of any image;
- its "trace" is sum_l (l's rank from the last tensor) <gradient_l of that, v_l> with normal v_l, of
  expectation zero: it adds noise, the Hessian times a random vector, to the gradient;
- its diagonal is the square of that mean's gradient, and the line that adds eta_r is commented out.
`released=True` runs exactly that, with eta_F in its units, for comparison.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.curvature.operators.double_backward import differentiable_again
from ngf_core.fisher.hutchinson import fisher_diagonal, fisher_trace, signs_like
from ngf_core.purify.batches import CleanBatches, CleanSet
from ngf_core.purify.budget import Budget
from ngf_core.purify.descent import prepare, tune
from ngf_core.purify.settings.fip import FIP
from ngf_core.purify.step import Step, Stopwatch

CHUNK = 8  # images per draw of the diagonal
RELEASED_VECTORS = 20


def fip(model: nn.Module, clean: CleanSet, own: FIP, budget: Budget) -> Iterator[Step]:
    """Tune the whole network; Diverged where the clean loss is no longer finite."""
    tuned = list(model.parameters())
    batches = CleanBatches(clean, budget, tuned[0].device)
    watch = Stopwatch()
    prepare(model, tuned, batches, watch)
    yield from smoothed("FIP", tuned, model, batches, own, watch, lr=own.lr)


def smoothed(title: str, tuned: Sequence[nn.Parameter], run: Callable[[Tensor], Tensor],
             batches: CleanBatches, own: FIP, watch: Stopwatch, *, lr: float,
             written: Callable[[], object] = lambda: None) -> Iterator[Step]:
    """Tune any parameters by FIP's loss; `run` maps images to the logits under them."""
    kind = own.fisher
    draws = torch.Generator().manual_seed(batches.budget.seed)
    numbers = itertools.count()
    with watch:
        received = [p.detach().clone() for p in tuned]
        fisher = fisher_diagonal(kind, _parts(run, batches), tuned, draws)
        trace = reduce(torch.add, (part.sum() for part in fisher)).clamp(min=1e-12)

    def gradient(x: Tensor, y: Tensor) -> Tensor:
        traced = own.eta_f > 0 and next(numbers) % own.every == 0
        with differentiable_again() if traced else nullcontext():
            logits = run(x)
            loss = F.cross_entropy(logits, y)
            objective = loss
            if traced and own.released:
                objective = loss + own.eta_f * released_term(logits, y, tuned, draws)
            elif traced:
                signs = signs_like(logits, draws)
                now = fisher_trace(kind, logits, y, tuned, signs)
                objective = loss + own.eta_f * now / trace
        objective.backward()
        for p, weight, start in zip(tuned, fisher, received, strict=True):
            if p.grad is not None and not own.released:
                p.grad += own.eta_r * weight * (p.detach() - start)
        return loss.detach()

    def spent(updates: int) -> int:
        traced = -(-updates // own.every) if own.eta_f else 0
        return updates + 3 * traced

    yield from tune(title, tuned, gradient, batches, spent, watch, lr=lr, momentum=0.95,
                    written=written)


def released_term(logits: Tensor, y: Tensor, tensors: Sequence[Tensor], generator: torch.Generator
                  ) -> Tensor:
    """What the released code calls the trace of the Fisher matrix (see above)."""
    pairs = F.log_softmax(logits, 1)[:, y].mean()
    slopes = torch.autograd.grad(pairs, tensors, create_graph=True, materialize_grads=True)
    total = pairs.new_zeros(())
    for rank, slope in zip(range(len(slopes), 0, -1), slopes, strict=True):
        # Its mean over 20 normal vectors is one of deviation 1 / sqrt 20.
        v = torch.randn(slope.shape, generator=generator) / RELEASED_VECTORS**0.5
        total = total + rank * (slope * v.to(slope)).sum()
    return total


def _parts(run: Callable[[Tensor], Tensor], batches: CleanBatches
           ) -> Iterator[tuple[Tensor, Tensor]]:
    """(logits, labels) of the clean set, in parts small enough for a good estimate."""
    for x, y in batches.whole():
        for part, labels in zip(x.split(CHUNK), y.split(CHUNK), strict=True):
            yield run(part), labels
