"""The plane of the two sharpest directions: the leading eigenvectors of the Hessian.

A random plane shows mostly the trace, since a random direction overlaps equally with every
eigenvector; this plane shows the two directions of largest curvature (Yao, Gholami, Keutzer,
Mahoney, "PyHessian", 2020, arXiv 1912.07145, section 3). Near the model the loss is
L + (lambda_1 x^2 + lambda_2 y^2) / 2, if the model is a stationary point.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ngf_core.curvature.operators.operator import Progress
from ngf_core.curvature.operators.sharded import Curvature
from ngf_core.curvature.spectral.eigenvalues import top_eigenvalues
from ngf_core.landscape.directions import Direction
from ngf_core.landscape.plane import Plane, model_state, parameter_names

MAX_STEPS = 200
# A picture needs no more: at 1e-2 of lambda_1 the axes' curvatures agree to about 1e-4.
TOLERANCE = 1e-2


@dataclass(frozen=True, eq=False)
class EigenPlane:
    """A plane along two eigenvectors, with what is known of them.

    values: (2,) float64, lambda_1 >= lambda_2, the curvature along x and y. residuals: (2,)
    float64, ||H v - lambda v||; the eigenvalue nearest to lambda is no further away than that.
    products: Hessian products spent.
    """

    plane: Plane
    values: Tensor
    residuals: Tensor
    products: int


def eigen_plane(model: nn.Module, operator: Curvature, generator: torch.Generator, *,
                max_steps: int = MAX_STEPS, tolerance: float = TOLERANCE,
                progress: Progress | None = None) -> EigenPlane:
    """The plane around `model` along the two leading eigenvectors of its Hessian `operator`.

    Unit vectors over the operator's parameters, so x and y are distances between parameter vectors
    (no filter is rescaled; BatchNorm's weights and biases move too if they are among them);
    BatchNorm's running statistics stay the model's. An eigenvector's sign is free: here its largest
    component is positive. The curvature of the operator's loss along x and y at the model is
    `values`, to the residuals; on other samples, or around another model (`plane.around`), it is
    not: see `curvature_along`. Raises what `top_eigenvalues` raises.
    """
    pairs = top_eigenvalues(operator, 2, max_steps, tolerance, generator, progress)
    u, v = (_direction(operator, vector) for vector in pairs.vectors)
    return EigenPlane(Plane(model_state(model), u, v, parameter_names(model)),
                      pairs.values, pairs.residuals, pairs.products)


def curvature_along(plane: Plane, operator: Curvature) -> Tensor:
    """u^T H u and v^T H v, (2,) float64, by two products with a model's Hessian.

    The second derivatives of its loss along x and y, at its weights. Parameters that the operator
    leaves out do not move.
    """
    still = operator.unflatten(torch.zeros(operator.size, device=operator.device))
    found = []
    for direction in (plane.u, plane.v):
        along = torch.cat([direction.get(name, zero).to(zero.device).reshape(-1)
                           for name, zero in still.items()]).to(operator.dtype)
        found.append(along.double() @ operator.matvec(along).double())
    return torch.stack(found)


def _direction(operator: Curvature, vector: Tensor) -> Direction:
    upright = vector if vector[vector.abs().argmax()] > 0 else -vector
    return {name: part.clone() for name, part in operator.unflatten(upright).items()}
