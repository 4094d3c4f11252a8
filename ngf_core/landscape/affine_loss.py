"""The loss of logits that are affine in the coordinates, at many points at once.

With z(x, y) = z0 + x z1 + y z2, the margins d_c = z_c - z_label are affine too, and the loss of a
sample is log(1 + sum over c other than the label of exp(d_c)): nothing of the network is left but
this sum. In float64, and without the cancellation of a log-sum-exp minus a logit.
"""

import torch
from torch import Tensor

from ngf_core.landscape.affine import Affine

# Numbers in one block of points x samples x classes: small enough for the processor's cache.
BLOCK = 2**17


def margins(logits: Affine, labels: Tensor) -> Tensor:
    """d_c of every class but the label at the three parts: (3, C - 1, n) float64."""
    z = torch.stack(list(logits)).double()
    d = z - z.gather(2, labels.view(1, -1, 1).expand(3, -1, 1))
    n, classes = d.shape[1:]
    others = torch.arange(classes, device=d.device) != labels.view(-1, 1)
    return d[:, others].view(3, n, classes - 1).transpose(1, 2).contiguous()


def summed_losses(d: Tensor, points: Tensor, block: int = BLOCK) -> Tensor:
    """Cross-entropy summed over the samples of `margins` at points (p, 2) float64: (p,) float64."""
    _, others, n = d.shape
    where = torch.cat([torch.ones_like(points[:, :1]), points], 1)
    flat, losses = d.view(3, -1), []
    for places in where.split(max(1, block // max(1, others * n))):
        here = (places @ flat).view(len(places), others, n)
        if others == 0:
            losses.append(here.sum((1, 2)))
            continue
        # log(1 + sum exp d) = m + log(exp(-m) + sum exp(d - m)), m = max(0, max d): no overflow,
        # and log1p keeps a small loss exact, where m is 0.
        top = here.amax(1, keepdim=True).clamp_(min=0)
        total = here.sub_(top).exp_().sum(1)
        top = top.squeeze(1)
        losses.append((top + torch.log1p(total + torch.expm1(-top))).sum(1))
    return torch.cat(losses)
