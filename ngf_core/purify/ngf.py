"""Natural gradient fine-tuning of one layer (Karim et al., "Efficient Backdoor Removal Through
Natural Gradient Fine-tuning").

    L(w) = CE(w; clean batch) + eta/2 sum_i Fbar_ii (w_i - wbar_i)^2
    w   <- w - s (F + lambda I)^-1 grad L(w),     s = min(1, sqrt(B_t / d^T (F + lambda I) d))

Fbar is the Fisher diagonal once, at the received weights wbar; F is recomputed every step on the
same batch, damping lambda = rho tr(K)/n is relative, and the KL bound B_t decays along a cosine:
early steps leave the received basin, late ones settle. A step after which the clean loss is not
finite, or has risen by more than a guesser's whole loss log C, is halved until it has not.
"""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.config import PurifyConfig
from ngf_core.data.dataset import Images
from ngf_core.errors import NGFError
from ngf_core.fisher.natural import natural_direction
from ngf_core.fisher.per_sample import Tapped, tap
from ngf_core.fisher.rows import fisher_rows, gradient_and_rows
from ngf_core.models.build import tunable_layer
from ngf_core.purify.features import tuned_network
from ngf_core.purify.purifier import (
    CleanBatches,
    Diverged,
    Step,
    Stopwatch,
    assign,
    cosine,
    flat,
    only_trainable,
    recalibrate_batchnorm,
)

HALVINGS = 10


def ngf(model: nn.Module, clean: Images, config: PurifyConfig) -> Iterator[Step]:
    """Tune `config.layer` by natural gradient; Diverged where no halved step is acceptable."""
    layer = tunable_layer(model, config.layer)
    parameters = list(layer.parameters())
    device = parameters[0].device
    batches = CleanBatches(clean, config, device)
    labels = torch.Generator().manual_seed(config.seed)
    only_trainable(model, parameters)
    watch = Stopwatch()
    with watch:
        if config.batchnorm == "recalibrated":
            recalibrate_batchnorm(model, batches)
        received = flat(parameters)
        anchor = _fisher_diagonal(model, layer, batches, labels)
        network, batches = tuned_network(model, layer, batches)
    with watch:
        x, y = batches(0)
        tapped, loss = _settle(network, layer, x, y, received, math.inf, 0)
    for step in range(config.steps):
        with watch:
            before, loss_before = flat(parameters), loss.item()
            worst = loss_before + math.log(tapped.logits.shape[1])
            gradient, rows = gradient_and_rows(config.fisher, tapped, loss, y, labels)
            gradient = gradient + config.regulariser * anchor * (before - received)
            try:
                natural = natural_direction(rows, gradient, config.damping)
            except NGFError as error:
                raise Diverged(f"NGF stopped at step {step + 1}. {error}") from error
            del rows  # gigabytes on a large layer, and the next step's come before these would go
            bound = config.kl_bound * cosine(step, config.steps)
            scale = min(1.0, math.sqrt(bound / max(natural.length, 1e-30)))
            assign(parameters, before - scale * natural.direction)
            x, y = batches(step + 1)
            tapped, loss = _settle(network, layer, x, y, before, worst, step + 1)
        yield Step(step + 1, loss_before, watch.seconds, scale**2 * natural.length)


def _settle(model: nn.Module, layer: nn.Module, x: Tensor, y: Tensor, before: Tensor,
            worst: float, step: int) -> tuple[Tapped, Tensor]:
    """The pass over the next batch, which judges the step that led here and serves the next one.

    Halves that step until the loss is at most `worst`; raises Diverged, back at `before`, where no
    halving does.
    """
    parameters = list(layer.parameters())
    for _ in range(HALVINGS):
        tapped = tap(model, layer, x)
        loss = F.cross_entropy(tapped.logits, y)
        if torch.isfinite(loss) and loss <= worst:
            return tapped, loss
        assign(parameters, (flat(parameters) + before) / 2)
    assign(parameters, before)
    raise Diverged(f"NGF stopped at step {step}: even a step {2**HALVINGS} times smaller costs "
                   "too much clean loss. Use a larger damping (ten times) or a smaller KL bound.")


def _fisher_diagonal(model: nn.Module, layer: nn.Module, batches: CleanBatches,
                     generator: torch.Generator) -> Tensor:
    """diag(Fbar) (P,) over the clean set as it is, at the received weights."""
    total: Tensor | float = 0.0
    for x, y in batches.whole():
        rows = fisher_rows(batches.config.fisher, tap(model, layer, x), y, generator)
        total = total + torch.linalg.vector_norm(rows, dim=0) ** 2 * len(y) / len(batches.clean)
    return total
