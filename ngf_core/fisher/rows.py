"""Rows R (r, P) with F = R^T R, for each kind of Fisher matrix of one layer, or of several.

empirical      F = 1/n sum_i g_i g_i^T, g_i the gradient of -log p(y_i | x_i) at the given label.
               n rows. Vanishes as the model fits its data (Kunstner, Balles, Hennig 2019).
true           F = 1/n sum_i E_{y ~ p(.|x_i)} g_i g_i^T, labels from the model.
               Exact: nC rows sqrt(p_c / n) g_{i,c}; for the last layer g_{i,c} = (p - e_c) (x) a in
               closed form, and there Hessian = Gauss-Newton = true Fisher. With many classes
               that is too many rows, and `softmax_head.py` does without them.
               Sampled: n rows with one label drawn per sample; unbiased, affordable on any layer.

The rows of several layers are those of each side by side, R = [R_1 R_2 ...], at the same labels: F
has the blocks between layers too. They come as these blocks, one per layer, since no sum over them
needs them as a whole.
"""

import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ngf_core.fisher.per_sample import Tapped, per_sample_outer
from ngf_core.fisher.softmax_head import SoftmaxHead, rows_fit

# Numbers that the products of pairs, of some samples at a time, may be.
PAIRS = 32_000_000


def empirical_rows(tapped: Tapped, y: Tensor) -> Tensor:
    """(n, P) at the given labels y."""
    losses = F.cross_entropy(tapped.logits, y, reduction="none")
    return tapped.gradients(losses / math.sqrt(len(y)))  # no second copy of G


def sampled_rows(tapped: Tapped, generator: torch.Generator) -> Tensor:
    """(n, P) at labels drawn from the model, one per sample."""
    return empirical_rows(tapped, drawn_labels(tapped, generator))


def drawn_labels(tapped: Tapped, generator: torch.Generator) -> Tensor:
    """(n,) labels y_i ~ p(. | x_i), one per sample."""
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


def last_layer_matrix(tapped: Tapped) -> Tensor:
    """F itself (P, P) of that layer, 1/n sum_i (diag p_i - p_i p_i^T) (x) a_i a_i^T, in float64.

    The same as `last_layer_rows` multiplied by themselves, in a tenth of the operations for ten
    classes.
    """
    p, a = tapped.logits.detach().double().softmax(1), tapped.input.double()
    (n, classes), features = p.shape, a.shape[1]
    if tapped.layer.bias is not None:
        a = torch.cat([a, a.new_ones(n, 1)], 1)
    size = a.shape[1]
    matrix = p.new_zeros(classes**2, size**2)
    some = max(1, PAIRS // max(classes, size) ** 2)
    for q, b in zip(p.split(some), a.split(some), strict=True):
        between = (torch.diag_embed(q) - q[:, :, None] * q[:, None, :]).flatten(1)
        outer = (b[:, :, None] * b[:, None, :]).flatten(1)
        matrix += between.T @ outer / n
    matrix = matrix.view(classes, classes, size, size).transpose(1, 2)
    matrix = matrix.reshape(classes * size, -1)
    # From each output's weights and bias to all weights, then all biases, as parameters are laid.
    order = torch.arange(classes * size, device=p.device).view(classes, size)
    order = torch.cat([order[:, :features].flatten(), order[:, features:].flatten()])
    return matrix[order][:, order]


def is_last_layer(tapped: Tapped) -> bool:
    """Whether what the model returned is W a + b of the tapped layer."""
    return tapped.through is None and tapped.output is tapped.logits


def is_exact(kind: str, taps: Sequence[Tapped]) -> bool:
    """Whether their Fisher of this kind is the last layer's, over all labels in closed form."""
    return kind == "true" and len(taps) == 1 and is_last_layer(taps[0])


def wide_head(kind: str, taps: Sequence[Tapped]) -> SoftmaxHead | None:
    """That exact Fisher without its rows, where they are too many to be written out."""
    if not is_exact(kind, taps):
        return None
    rows, weights = taps[0].logits.numel(), sum(p.numel() for p in taps[0].layer.parameters())
    return None if rows_fit(rows, weights) else SoftmaxHead.of(taps[0])


def joint_diagonal(kind: str, taps: Sequence[Tapped], y: Tensor, generator: torch.Generator
                   ) -> Tensor:
    """The diagonal (P,) of the joint Fisher of all tapped layers, in float64."""
    head = wide_head(kind, taps)
    if head is not None:
        return head.diagonal()
    return torch.cat([torch.linalg.vector_norm(block, dim=0).double() ** 2
                      for block in joint_rows(kind, taps, y, generator)])


def gradient_of(loss: Tensor, taps: Sequence[Tapped], retain_graph: bool = False) -> Tensor:
    """The gradient (P,) of `loss` in the parameters of all tapped layers."""
    parameters = [p for tapped in taps for p in tapped.layer.parameters()]
    parts = torch.autograd.grad(loss, parameters, retain_graph=retain_graph,
                                materialize_grads=True)
    return torch.cat([part.reshape(-1) for part in parts])


def fisher_rows(kind: str, tapped: Tapped, y: Tensor, generator: torch.Generator) -> Tensor:
    """The rows of the Fisher called `kind`: closed form on the last layer, sampled elsewhere."""
    (rows,) = joint_rows(kind, [tapped], y, generator)
    return rows


def joint_rows(kind: str, taps: Sequence[Tapped], y: Tensor, generator: torch.Generator
               ) -> Iterator[Tensor]:
    """The rows of the joint Fisher of all tapped layers, yielded as one block (r, P_l) per layer.

    Closed form where the last layer is alone, otherwise sampled: one pass back for all layers.
    """
    if is_exact(kind, taps):
        yield last_layer_rows(taps[0])
        return
    labels = y if kind == "empirical" else drawn_labels(taps[0], generator)
    losses = F.cross_entropy(taps[0].logits, labels, reduction="none") / math.sqrt(len(y))
    outputs = [tapped.output for tapped in taps]
    yield from _blocks(taps, torch.autograd.grad(losses.sum(), outputs, retain_graph=True,
                                                 materialize_grads=True))


def gradient_and_rows(kind: str, taps: Sequence[Tapped], loss: Tensor, y: Tensor,
                      generator: torch.Generator) -> tuple[Tensor, Iterator[Tensor]]:
    """The gradient (P,) of `loss`, the mean cross-entropy at y, and `joint_rows`.

    The empirical rows come from the gradient's own backward pass.
    """
    outputs = [tapped.output for tapped in taps]
    parameters = [p for tapped in taps for p in tapped.layer.parameters()]
    found = torch.autograd.grad(loss, [*outputs, *parameters], retain_graph=kind == "true",
                                materialize_grads=True)
    gradient = torch.cat([part.reshape(-1) for part in found[len(taps):]])
    if kind == "true":
        return gradient, joint_rows(kind, taps, y, generator)
    # Of loss_i / sqrt(n); the gradient of the mean has 1 / n.
    return gradient, _blocks(taps, [back * math.sqrt(len(y)) for back in found[:len(taps)]])


def _blocks(taps: Sequence[Tapped], output_grads: Sequence[Tensor]) -> Iterator[Tensor]:
    for tapped, back in zip(taps, output_grads, strict=True):
        yield tapped.rows(back)
