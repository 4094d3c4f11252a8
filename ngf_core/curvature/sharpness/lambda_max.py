"""The largest eigenvalue of the Hessian."""

from ngf_core.curvature.sharpness.reading import Reading, SharpnessMeasure
from ngf_core.curvature.sharpness.subject import Subject


def read(subject: Subject) -> Reading:
    """lambda_1 by Lanczos; image i's share is v^T H_i v at its eigenvector v."""
    pairs, shares = subject.pairs(), subject.pair_shares(0)
    value = float(pairs.values[0])
    return Reading(value, shares + (value - shares.mean()), float(pairs.residuals[0]),
                   "Ritz residual")


MEASURE = SharpnessMeasure(
    "λ_max", "Largest eigenvalue of the Hessian: how fast the slope grows along the worst "
    "direction in weight space.",
    "rescaling a layer against the BatchNorm behind it, and the scale of the logits", read)
