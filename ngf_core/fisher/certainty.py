"""A lower bound on the Fisher trace in the damping where the model is certain of its images.

With J_i (C, P) the Jacobian of sample i's logits, tr F = 1/n sum_i |J_i^T (p_i - e_y)|^2 vanishes
as the model becomes certain, and a damping lambda = rho tr(F) / r with it. Not everything in the
gradient does: the pull to the received weights remains, and so does roundoff. Divided by a lambda
of 1e-14 they make a step of 1e10. The sensitivity of the margins to the weights remains too:

    M = 1/n sum_i |J_i^T u_i|^2,   u_i = (e_a - e_b) / sqrt(2),   a, b the two likeliest classes.

Where the doubt q = 1/n sum_i (1 - max_c p_ic)^2 is below q_0 = LEAST_DOUBT, the trace is therefore
taken to be at least q_0 M. Elsewhere nothing changes: since |p_i - e_y| >= 1 - max_c p_ic, it is of
the order of q M or more anyway.

The step s d satisfies s^2 d^T (F + lambda I) d <= B, hence |s d| <= sqrt(B / lambda), and changes
the margins z_a - z_b to first order by at most sqrt(2 M B / lambda) <= sqrt(2 B r / (rho q_0)) in
root mean square: 12,000 for 250 rows and the default B = 0.3 and rho = 0.1. Ten halvings reduce
that to 12, less than the margins of a model that is so certain.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ngf_core.fisher.per_sample import Tapped

# q_0: as if every image had a probability of 0.3 % of being of another class.
LEAST_DOUBT = 1e-5

# Samples whose gradients are held at a time.
CHUNK = 8


def least_trace(taps: Sequence[Tapped]) -> float:
    """q_0 M over all tapped layers where the model's doubt is below q_0, otherwise 0."""
    if doubt(taps[0].logits) >= LEAST_DOUBT:
        return 0.0
    return LEAST_DOUBT * margin_hold(taps)


def doubt(logits: Tensor) -> float:
    """q = 1/n sum_i (1 - max_c p_ic)^2 of logits (n, C)."""
    p = logits.detach().softmax(1)
    return float((1 - p.amax(1)).square().mean())


def margin_hold(taps: Sequence[Tapped]) -> float:
    """M, the mean squared gradient of a margin over sqrt(2). One backward pass."""
    first = taps[0].logits.topk(min(2, taps[0].logits.shape[1]), 1).values
    margins = (first[:, 0] - first[:, -1]) / math.sqrt(2)
    backs = torch.autograd.grad(margins.sum(), [tapped.output for tapped in taps],
                                retain_graph=True, materialize_grads=True)
    total = sum(float(torch.linalg.vector_norm(tapped.rows(back, slice(i, i + CHUNK)))) ** 2
                for tapped, back in zip(taps, backs, strict=True)
                for i in range(0, len(margins), CHUNK))
    return total / len(margins)
