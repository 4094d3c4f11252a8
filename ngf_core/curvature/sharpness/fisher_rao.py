"""The Fisher-Rao norm of the weights."""

from ngf_core.curvature.sharpness.reading import Reading, SharpnessMeasure
from ngf_core.curvature.sharpness.subject import Subject


def read(subject: Subject) -> Reading:
    """w^T F w = (1/n) sum_i u_i^T S_i u_i, u_i = J_i w (Liang et al., AISTATS 2019): one pass.

    S_i is the loss's second derivative in the outputs, diag p - p p^T for cross-entropy, where F is
    the true Fisher matrix; for other losses it is the Gauss-Newton matrix.
    """
    shares = subject.fisher_forms(subject.weights)
    return Reading(float(shares.mean()), shares)


MEASURE = SharpnessMeasure(
    "Fisher-Rao norm", "w·F·w: how much the predicted probabilities change when all weights are "
    "scaled up together.",
    "the scale of the logits; rescaling layers does not move it", read)
