"""Trace and diagonal of the Fisher matrix of any tensors, from random signs and ordinary backward
passes, without per-sample gradients.

F = (1/n) sum_i J_i^T M_i J_i, J_i the logits' Jacobian in the tensors, with

    true       M = diag p - p p^T = A A^T,   A = diag sqrt(p) - p sqrt(p)^T
    empirical  M = (p - e_y) (p - e_y)^T

Draw c_i = A_i v_i, or r_i (p_i - e_y), with independent random signs. Then E c_i c_i^T = M_i, the
samples do not correlate, and with h = sum_i J_i^T c_i, one backward pass,

    E |h|^2 / n = Tr F,      E h * h / n = diag F.

Both hold with the dependence of p on the tensors included, so the gradient of the estimate is an
unbiased one of grad Tr F. (With labels drawn from p it is not: that leaves out the gradient of the
draw.) One draw of |h|^2 has a relative deviation of at most sqrt 2.
"""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def signs_like(logits: Tensor, generator: torch.Generator) -> Tensor:
    """Random signs (n, C); drawn on the CPU, so that they do not depend on the device."""
    drawn = torch.randint(0, 2, logits.shape, generator=generator)
    return (2 * drawn - 1).to(logits.device, logits.dtype)


def cotangents(kind: str, logits: Tensor, y: Tensor, signs: Tensor) -> Tensor:
    """c, (n, C), for signs (n, C); differentiable in the logits. The empirical one uses one sign
    per sample, the first."""
    log_p = F.log_softmax(logits, 1)
    if kind == "empirical":
        return signs[:, :1] * (log_p.exp() - F.one_hot(y, logits.shape[1]))
    root = (0.5 * log_p).exp()  # sqrt(p), whose derivative is finite at p = 0 too
    return root * signs - log_p.exp() * (root * signs).sum(1, keepdim=True)


def fisher_trace(kind: str, logits: Tensor, y: Tensor, tensors: Sequence[Tensor], signs: Tensor
                 ) -> Tensor:
    """An unbiased estimate of Tr F over a batch, with a graph back to `tensors`.

    logits: (n, C) with their graph. Tensors the logits do not depend on count as zero.
    """
    c = cotangents(kind, logits, y, signs)
    h = torch.autograd.grad(logits, tensors, c, create_graph=True, allow_unused=True)
    squares = (part.square().sum() for part in h if part is not None)
    return sum(squares, start=logits.new_zeros(())) / len(logits)


def fisher_diagonal(kind: str, batches: Iterable[tuple[Tensor, Tensor]], tensors: Sequence[Tensor],
                    generator: torch.Generator) -> list[Tensor]:
    """Unbiased estimates of diag F, one per tensor, of its shape.

    batches: (logits, y) with graphs. Each gives one draw: the smaller they are, the smaller the
    error, which with m equal ones is sqrt(2 / m) of an entry at most.
    """
    total, samples = [torch.zeros_like(t) for t in tensors], 0
    for logits, y in batches:
        c = cotangents(kind, logits, y, signs_like(logits, generator)).detach()
        h = torch.autograd.grad(logits, tensors, c, allow_unused=True)
        for whole, part in zip(total, h, strict=True):
            if part is not None:
                whole += part.square()
        samples += len(y)
    return [whole / samples for whole in total]
