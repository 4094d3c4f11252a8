"""Rows R (r, P) with F = R^T R, for each kind of Fisher matrix of one layer.

empirical      F = 1/n sum_i g_i g_i^T, g_i the gradient of -log p(y_i | x_i) at the given label.
               n rows. Vanishes as the model fits its data (Kunstner, Balles, Hennig 2019).
true           F = 1/n sum_i E_{y ~ p(.|x_i)} g_i g_i^T, labels from the model.
               Exact: nC rows sqrt(p_c / n) g_{i,c}; for the last layer g_{i,c} = (p - e_c) (x) a in
               closed form, and there Hessian = Gauss-Newton = true Fisher.
               Sampled: n rows with one label drawn a sample; unbiased, affordable on any layer.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ngf_core.fisher.per_sample import Tapped, per_sample_outer


def empirical_rows(tapped: Tapped, y: Tensor) -> Tensor:
    """(n, P) at the given labels y."""
    losses = F.cross_entropy(tapped.logits, y, reduction="none")
    return tapped.gradients(losses / math.sqrt(len(y)))  # no second copy of G


def sampled_rows(tapped: Tapped, generator: torch.Generator) -> Tensor:
    """(n, P) at labels drawn from the model, one a sample."""
    return empirical_rows(tapped, drawn_labels(tapped, generator))


def drawn_labels(tapped: Tapped, generator: torch.Generator) -> Tensor:
    """(n,) labels y_i ~ p(. | x_i), one a sample."""
    p = tapped.logits.detach().softmax(1).cpu()
    return torch.multinomial(p, 1, generator=generator).flatten().to(tapped.logits.device)


def exact_rows(tapped: Tapped) -> Tensor:
    """(n C, P): every label of every sample, weighted by its probability. C backward passes."""
    p = tapped.logits.detach().softmax(1)
    rows = []
    for c in range(p.shape[1]):
        losses = -F.log_softmax(tapped.logits, 1)[:, c]
        rows.append(tapped.gradients(losses) * (p[:, c : c + 1] / len(p)).sqrt())
    return torch.cat(rows)


def last_layer_rows(tapped: Tapped) -> Tensor:
    """(n C, P) for the layer whose output is the logits, in closed form without a backward pass."""
    p = tapped.logits.detach().softmax(1)
    n, classes = p.shape
    centred = p[:, None, :] - torch.eye(classes, dtype=p.dtype, device=p.device)
    weighted = centred * (p / n).sqrt()[:, :, None]
    inputs = tapped.input.repeat_interleave(classes, 0)
    return per_sample_outer(tapped.layer, inputs, weighted.flatten(0, 1))


def is_last_layer(tapped: Tapped) -> bool:
    """Whether the tapped layer's output is what the model returned."""
    return tapped.output is tapped.logits


def fisher_rows(kind: str, tapped: Tapped, y: Tensor, generator: torch.Generator) -> Tensor:
    """The rows of the Fisher called `kind`: closed form on the last layer, sampled elsewhere."""
    if kind == "empirical":
        return empirical_rows(tapped, y)
    return last_layer_rows(tapped) if is_last_layer(tapped) else sampled_rows(tapped, generator)


def gradient_and_rows(kind: str, tapped: Tapped, loss: Tensor, y: Tensor,
                      generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The gradient (P,) of `loss`, the mean cross-entropy at y, and `fisher_rows`.

    The empirical rows come out of the gradient's own backward pass.
    """
    wanted = [tapped.output, *tapped.layer.parameters()]
    output_grad, *parts = torch.autograd.grad(loss, wanted, retain_graph=kind == "true")
    gradient = torch.cat([part.reshape(-1) for part in parts])
    if kind == "true":
        return gradient, fisher_rows(kind, tapped, y, generator)
    scaled = output_grad * math.sqrt(len(y))  # of loss_i / sqrt(n); that of the mean has 1 / n
    return gradient, per_sample_outer(tapped.layer, tapped.input, scaled)
