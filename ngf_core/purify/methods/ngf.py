"""Natural gradient fine-tuning of one layer, or of several (Karim et al., "Efficient Backdoor
Removal Through Natural Gradient Fine-tuning").

    L(w) = CE(w; clean batch) + eta/2 sum_i Fbar_ii (w_i - wbar_i)^2
    d    = (F + lambda I)^-1 grad L(w),     s = min(rate, sqrt(B_t / d^T (F + lambda I) d))
    m   <- momentum m + s d,                w <- w - m

Fbar is the Fisher diagonal at the received weights wbar, computed once. F is a running mean over
the batches (of up to 6,000 weights; of larger layers that of the step's own batch): a direction in
which one batch has little Fisher information by chance gets a long step, and the iterates swing.
Damping lambda = rho tr(F)/r, r the rows of a batch's F, is relative (with a floor where the model
is certain of the batch, see `fisher/certainty.py`), and the KL bound B_t decays along a cosine:
early steps leave the received basin, late ones settle. A step after which the clean loss is not
finite, or has risen by more than log C, the whole loss of uniform guessing, is halved until neither
holds.

With several layers w is all their weights and F their joint matrix, at one damping and one KL
bound.

The released script steps differently: see PUBLISHED in `settings/ngf.py`.
"""

import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.data.dataset import Images
from ngf_core.errors import NGFError
from ngf_core.fisher.metric import metric
from ngf_core.fisher.natural import Damping
from ngf_core.fisher.per_sample import Tapped, tap_all
from ngf_core.fisher.rows import joint_diagonal
from ngf_core.models.build import tuned_layers
from ngf_core.purify.batches import CleanBatches, clean_batches
from ngf_core.purify.batchnorm import recalibrate_batchnorm
from ngf_core.purify.budget import Budget
from ngf_core.purify.kept_activations import tuned_network
from ngf_core.purify.settings.ngf import NGF
from ngf_core.purify.step import Diverged, Step, Stopwatch, cosine
from ngf_core.purify.weights import assign, flat, only_trainable

HALVINGS = 10


def ngf(model: nn.Module, clean: Images, own: NGF, budget: Budget) -> Iterator[Step]:
    """Tune `own.layer` by natural gradient; Diverged where no halved step is acceptable."""
    layers = list(tuned_layers(model, own.layer).values())
    parameters = [p for layer in layers for p in layer.parameters()]
    device = parameters[0].device
    batches = clean_batches(clean, budget, device)
    labels = torch.Generator().manual_seed(budget.seed)
    fisher = metric(own.fisher, Damping(own.damping, not own.absolute), labels, own.decay,
                    own.every, sum(p.numel() for p in parameters))
    only_trainable(model, parameters)
    watch = Stopwatch()
    with watch:
        if budget.batchnorm == "recalibrated":
            recalibrate_batchnorm(model, batches)
        received = flat(parameters)
        kind = "empirical" if own.fisher == "empirical" else "true"
        network, batches = tuned_network(model, layers, batches)
        anchor = _fisher_diagonal(kind, network, layers, batches, labels)
    moving = torch.zeros_like(received)
    with watch:
        x, y = batches(0)
        taps, loss = _settle(network, layers, x, y, received, math.inf, 0)
    for step in range(budget.steps):
        with watch:
            before, loss_before = flat(parameters), loss.item()
            worst = loss_before + math.log(taps[0].logits.shape[1])
            gradient = fisher.observe(taps, loss, y)
            gradient = gradient + own.regulariser * anchor * (before - received)
            try:
                natural = fisher.solve(gradient)
            except NGFError as error:
                raise Diverged(f"NGF stopped at step {step + 1}. {error}") from error
            rate, bound = _schedule(own, budget, step)
            scale = min(rate, math.sqrt(bound / max(natural.length, 1e-30)))
            moving = own.momentum * moving + scale * natural.direction
            assign(parameters, before - moving)
            x, y = batches(step + 1)
            taps, loss = _settle(network, layers, x, y, before, worst, step + 1)
        yield Step(step + 1, loss_before, watch.seconds, scale**2 * natural.length)


def _schedule(own: NGF, budget: Budget, step: int) -> tuple[float, float]:
    """The largest scale and the KL bound of one step."""
    if own.tenths:
        fallen = sum(step >= share * budget.steps for share in (0.35, 0.75))
        return own.rate * 0.1**fallen, own.kl_bound
    return own.rate, own.kl_bound * cosine(step, budget.steps)


def _settle(model: nn.Module, layers: Sequence[nn.Module], x: Tensor, y: Tensor, before: Tensor,
            worst: float, step: int) -> tuple[Sequence[Tapped], Tensor]:
    """The pass over the next batch, which judges the step that led here and serves the next one.

    Halves that step until the loss is at most `worst`; raises Diverged, back at `before`, where no
    halving does.
    """
    parameters = [p for layer in layers for p in layer.parameters()]
    for _ in range(HALVINGS):
        taps = tap_all(model, layers, x)
        loss = F.cross_entropy(taps[0].logits, y)
        if torch.isfinite(loss) and loss <= worst:
            return taps, loss
        assign(parameters, (flat(parameters) + before) / 2)
    assign(parameters, before)
    raise Diverged(f"NGF stopped at step {step}: even a step {2**HALVINGS} times smaller costs "
                   "too much clean loss. Use a larger damping (ten times) or a smaller KL bound.")


def _fisher_diagonal(kind: str, model: nn.Module, layers: Sequence[nn.Module],
                     batches: CleanBatches, generator: torch.Generator) -> Tensor:
    """diag(Fbar) (P,) over the clean set as it is, at the received weights."""
    total = torch.zeros(())
    for x, y in batches.whole():
        taps = tap_all(model, layers, x)
        diagonal = joint_diagonal(kind, taps, y, generator).to(taps[0].logits.dtype)
        total = total + diagonal * len(y) / len(batches.clean)
    return total
