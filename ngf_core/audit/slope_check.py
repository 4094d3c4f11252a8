"""An eigenvalue checked by another way of differentiating: finite differences in float64."""

import torch
from torch import Tensor

from ngf_core.curvature.sharpness.subject import Subject

# A ReLU that changes its side between the two points adds its jump over 2h: with millions of
# activations that happened to a third of the models at 1e-7. In float64 the rounding of the slopes
# divided by 1e-9 is still some 1e-6 of a leading eigenvalue.
STEP = 1e-9


def curvature_by_slopes(subject: Subject, v: Tensor) -> float:
    """(s(w + h v) - s(w - h v)) / 2h, s the slope of the mean loss along v: v^T H v.

    subject: in float64. v: (P,), taken at length 1.
    """
    v = v.to(subject.weights)
    v = v / v.norm()
    above, below = (subject.slopes(v, subject.weights + sign * STEP * v).mean()
                    for sign in (1, -1))
    return float((above - below) / (2 * STEP))


def off_by(value: float, checked: float) -> float:
    """|value - checked| / |checked|; not a number where that is zero."""
    return abs(value - checked) / abs(checked) if checked else torch.nan
