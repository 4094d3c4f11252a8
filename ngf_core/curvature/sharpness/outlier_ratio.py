"""How far the largest eigenvalue stands out from the fifth."""

from ngf_core.curvature.sharpness.reading import Reading, SharpnessMeasure
from ngf_core.curvature.sharpness.subject import PAIRS, Subject


def read(subject: Subject) -> Reading:
    """lambda_1 / lambda_5 (the last one where there are fewer); shares by linearisation."""
    last = min(PAIRS, subject.size) - 1
    pairs = subject.pairs()
    top, fifth = float(pairs.values[0]), float(pairs.values[last])
    value = top / fifth if fifth else float("nan")
    one, other = subject.pair_shares(0), subject.pair_shares(last)
    shares = value + (one - one.mean() - value * (other - other.mean())) / fifth
    error = (float(pairs.residuals[0]) + abs(value) * float(pairs.residuals[last])) / abs(fifth) \
        if fifth else float("nan")
    return Reading(value, shares, error, "Ritz residuals of both")


MEASURE = SharpnessMeasure(
    "λ₁/λ₅", "Largest over fifth-largest eigenvalue of the Hessian: near 1 the sharpness is "
    "spread over several directions, far above 1 one direction dominates.",
    "rescaling a layer against the BatchNorm behind it; the scale of the logits moves it "
    "less", read)
