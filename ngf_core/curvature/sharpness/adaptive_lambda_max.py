"""The largest curvature for relative changes of the weights."""

from ngf_core.curvature.operators.scaled import ScaledOperator
from ngf_core.curvature.sharpness.reading import Reading, SharpnessMeasure
from ngf_core.curvature.sharpness.subject import Subject
from ngf_core.curvature.spectral.eigenvalues import top_eigenvalues


def read(subject: Subject) -> Reading:
    """The largest eigenvalue of D H D, D = diag|w| (second-order form of Kwon et al. 2021)."""
    scale = subject.weights.abs()
    pairs = top_eigenvalues(ScaledOperator(subject, scale), 1, generator=subject.generator(),
                            check=False)
    value = float(pairs.values[0])
    shares = subject.curvatures(scale * pairs.vectors[0].to(scale.device))
    return Reading(value, shares + (value - shares.mean()), float(pairs.residuals[0]),
                   "Ritz residual")


MEASURE = SharpnessMeasure(
    "adaptive λ_max", "Largest eigenvalue of D H D with D = |w|: the worst direction when every "
    "weight may change in proportion to its size.",
    "the scale of the logits; rescaling layers does not move it", read)
