"""The trace of the Hessian."""

from functools import reduce

import torch

from ngf_core.curvature.sharpness.reading import Reading, SharpnessMeasure, standard_error
from ngf_core.curvature.sharpness.subject import PAIRS, Subject

PROBES = 5


def read(subject: Subject) -> Reading:
    """sum_k v_k^T H v_k + mean over probes of (N z)^T H (N z), N = 1 - V V^T, z signs.

    The five leading eigenvectors are taken exactly, the rest by Hutchinson's method, as in
    `ngf_core.curvature.spectral.deflated_trace`; here along directions, so that each image's share
    is known.
    """
    pairs = subject.pairs()
    basis = pairs.vectors[:PAIRS].T.double()  # orthonormal, as Ritz vectors are
    generator = subject.generator()
    exact = reduce(torch.add, map(subject.pair_shares, range(basis.shape[1])))
    rest = []
    for _ in range(PROBES):
        signs = torch.randint(0, 2, (subject.size,), generator=generator).to(basis) * 2 - 1
        rest.append(subject.curvatures(signs - basis @ (basis.T @ signs)))
    draws = torch.stack(rest).mean(1) + exact.mean()
    shares = exact + torch.stack(rest).mean(0)
    return Reading(float(shares.mean()), shares, standard_error(draws),
                   f"standard error over {PROBES} probes", draws)


MEASURE = SharpnessMeasure(
    "trace", "Sum of all eigenvalues of the Hessian: the curvature along a random direction, times "
    "the number of weights.",
    "rescaling a layer against the BatchNorm behind it, and the scale of the logits", read)
