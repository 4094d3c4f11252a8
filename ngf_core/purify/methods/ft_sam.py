"""FT-SAM: fine-tuning with sharpness-aware minimisation (Zhu et al., ICCV 2023, arXiv 2304.11823).

    min_w  max_{|T^-1 e| <= r}  L(w + e),    T = diag |w_i|
    ascent   e = r T^2 g / |T g|,            g = grad L(w)
    descent  w <- w - lr (momentum) grad L(w + e)

One norm over all parameters. Backdoor-related neurons have large weights, so they are perturbed
most, and shrink. L is the cross-entropy with smoothed labels. T is scaled by each weight's own size
as in the published code (adaptive SAM, Kwon et al., ICML 2021, arXiv 2102.11600), or, with
`per_neuron`, by the norm of the neuron's incoming weights (their filter-wise variant).

Published (BackdoorBench): r = rho = 2, smoothing 0.1, lr 0.01, momentum 0.9, decay 5e-4, 100 epochs
with batches of 256, BatchNorm in training mode. Here BatchNorm is as the budget sets it, an update
takes two passes, the rate is that of fine-tuning (adapted: with the published one a model
diverged), and r = rho sqrt(P / 11.2 million) for P parameters: rho 2 was published for a
PreAct-ResNet-18, where the root mean square of e_i / w_i is then at most 2 / sqrt(P) = 0.0006. In a
network of 78 thousand parameters the same r allows changes 12 times as large: a benign one was
ruined in seven updates (clean loss 0.83 to 4.7; 0.69 with the scaled r).
"""

import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.purify.batches import CleanBatches, CleanSet
from ngf_core.purify.budget import Budget
from ngf_core.purify.descent import prepare, tune
from ngf_core.purify.settings.ft_sam import FTSAM
from ngf_core.purify.step import Step, Stopwatch
from ngf_core.purify.weights import assign, flat

PUBLISHED_SIZE = 11_172_170  # parameters of a PreAct-ResNet-18 with ten classes


def ft_sam(model: nn.Module, clean: CleanSet, own: FTSAM, budget: Budget) -> Iterator[Step]:
    """Tune the whole network; Diverged where the loss is no longer finite."""
    tuned = list(model.parameters())
    batches = CleanBatches(clean, budget, tuned[0].device)
    watch = Stopwatch()
    prepare(model, tuned, batches, watch)
    radius = own.rho * math.sqrt(sum(p.numel() for p in tuned) / PUBLISHED_SIZE)

    def gradient(x: Tensor, y: Tensor) -> Tensor:
        logits = model(x)
        smoothed = F.cross_entropy(logits, y, label_smoothing=own.smoothing)
        here = flat(tuned)
        slopes = torch.autograd.grad(smoothed, tuned, materialize_grads=True)
        climb(tuned, slopes, radius, own.per_neuron)
        F.cross_entropy(model(x), y, label_smoothing=own.smoothing).backward()
        assign(tuned, here)
        return F.cross_entropy(logits.detach(), y)

    yield from tune("FT-SAM", tuned, gradient, batches, lambda k: 2 * k, watch,
                    lr=own.lr, weight_decay=own.weight_decay)


def climb(parameters: Sequence[nn.Parameter], gradients: Sequence[Tensor], radius: float,
          per_neuron: bool) -> None:
    """Add e = r T^2 g / |T g| to the parameters, in place; nothing where T g is zero."""
    with torch.no_grad():
        sizes = [size(p, per_neuron) for p in parameters]
        scaled = [t * g for t, g in zip(sizes, gradients, strict=True)]
        norm = torch.stack([s.norm() for s in scaled]).norm()
        for p, t, s in zip(parameters, sizes, scaled, strict=True):
            p.add_(t * s * (radius / norm.clamp(min=torch.finfo(norm.dtype).tiny)))


def size(parameter: Tensor, per_neuron: bool) -> Tensor:
    """T: each weight's own size, or the norm of all weights into its neuron."""
    if per_neuron and parameter.ndim > 1:
        norms: Tensor = parameter.flatten(1).norm(dim=1)
        return norms.view(-1, *[1] * (parameter.ndim - 1))
    return parameter.abs()
