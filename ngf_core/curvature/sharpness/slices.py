"""The loss along Hessian eigenvectors, beside the parabola that the eigenvalue promises.

With w the weights, g the gradient there and v a unit eigenvector, L(w + t v) is
L(w) + (g . v) t + lambda t^2 / 2 up to the third order in t. How far the measured loss leaves that
parabola shows where the quadratic model, and with it lambda as a measure of sharpness, ends.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ngf_core.curvature.sharpness.subject import Subject
from ngf_core.errors import ConfigError

# Odd, so that the model itself, t = 0, is one of them.
POINTS = 21


@dataclass(frozen=True)
class Slices:
    """t: (k, POINTS) float64, distances between weights along each of k eigenvectors. loss:
    (k, POINTS) float64, the mean loss there. slopes: (k,) float64, g . v, the slope at t = 0."""

    t: Tensor
    loss: Tensor
    slopes: Tensor


def slices(subject: Subject, values: Tensor, vectors: Tensor) -> Slices:
    """The mean loss of `subject` along each of `vectors` (k, P), of unit length.

    values: (k,), their eigenvalues, which set how far t goes: to where |lambda| t^2 / 2 is one nat,
    sqrt(2 / |lambda|), and at most as far as the weights are long. Takes POINTS forward passes for
    each vector, and one gradient. Raises ConfigError where the shapes do not fit.
    """
    if vectors.shape != (len(values), subject.size):
        raise ConfigError("vectors", f"their shape is {tuple(vectors.shape)}",
                          f"Give {len(values)} vectors of {subject.size} numbers.")
    nat = (2 / values.double().abs().clamp(min=1e-300)).sqrt()
    ends = nat.clamp(max=subject.weights.double().norm().item()).cpu()
    t = ends[:, None] * torch.linspace(-1, 1, POINTS, dtype=torch.float64)
    t[:, POINTS // 2] = 0.0
    start, gradient = subject.weights.double(), subject.gradient(subject.weights).double()
    loss, slopes = torch.empty_like(t), torch.empty(len(t), dtype=torch.float64)
    for i, vector in enumerate(vectors):
        along = vector.to(subject.device, torch.float64)
        slopes[i] = gradient @ along
        for j, distance in enumerate(t[i].tolist()):
            loss[i, j] = subject.losses((start + distance * along).to(subject.dtype)).mean()
    return Slices(t, loss, slopes)
