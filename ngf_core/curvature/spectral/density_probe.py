"""One random probe of a deflated operator: an estimate of the density, and one of the trace."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ngf_core.curvature.operators.operator import Progress, SymmetricOperator
from ngf_core.curvature.spectral.basis import Basis
from ngf_core.curvature.spectral.deflated_trace import complement_unit, deflated_quadratic
from ngf_core.curvature.spectral.density import Quadrature, quadrature
from ngf_core.curvature.spectral.lanczos import (
    Krylov,
    Stop,
    lanczos,
    ritz,
    ritz_nodes,
    ritz_values,
)

# P tau follows a chi-squared law with one degree of freedom where the Ritz value represents a
# single eigenvalue; above this (1 in 10,000) it represents many, such as a null space.
CROWD = 15.0


@dataclass(frozen=True)
class Outliers:
    """Leading Ritz pairs that enter the density as atoms: values (r,) and vectors (r, P)."""

    values: Tensor
    vectors: Tensor

    def quadrature(self, alphas: Tensor, betas: Tensor) -> Quadrature:
        """The quadrature of a run in their complement."""
        return quadrature(alphas, betas, self.vectors.shape[1], self.values)


@dataclass(frozen=True)
class Probe:
    """What a probe found: a quadrature, an estimate of the whole trace, and its T."""

    quadrature: Quadrature
    trace: float
    alphas: Tensor
    betas: Tensor


def outlier_places(alphas: Tensor, betas: Tensor, size: int, k: int, bottom: int,
                   tolerance: float) -> Tensor:
    """Which Ritz pairs are outliers: among the k largest and `bottom` smallest, converged, single.

    None of them if there are as many as the operator is large.
    """
    (values, residuals), (_, weights) = ritz_values(alphas, betas), ritz_nodes(alphas, betas)
    wanted = torch.zeros(len(values), dtype=torch.bool)
    wanted[:k] = True
    wanted[len(values) - bottom :] = True
    wanted &= residuals <= tolerance * values.abs().max()
    wanted &= weights * size <= CROWD
    places = wanted.nonzero()[:, 0]
    return places if len(places) < size else places[:0]


def outliers(krylov: Krylov, size: int, k: int, bottom: int, tolerance: float) -> Outliers:
    """The outliers of a Krylov run with their vectors."""
    places = outlier_places(krylov.alphas, krylov.betas, size, k, bottom, tolerance)
    pairs = ritz(krylov)
    return Outliers(pairs.values[places], pairs.vectors(places))


def run_as_probe(alphas: Tensor, betas: Tensor, size: int, k: int, bottom: int,
                 tolerance: float) -> Quadrature:
    """The Krylov run itself as a density probe, its outliers put in exactly.

    Its start is uniform on the sphere. Eigenvectors belong to the operator, not to the start, so
    the start's remainder is uniform in their complement, and the other Ritz values
    with their weights, scaled to sum to 1, are the quadrature of a run there.
    """
    places = outlier_places(alphas, betas, size, k, bottom, tolerance)
    nodes, weights = ritz_nodes(alphas, betas)
    rest = torch.ones(len(nodes), dtype=torch.bool)
    rest[places] = False
    left = weights[rest].sum()
    # Where far too little weight is left, an outlier of a very small operator was not single.
    if left < 0.5 * (1 - len(places) / size):
        return quadrature(alphas, betas, size)
    return Quadrature(nodes[places], nodes[rest], weights[rest] / left, size)


def density_probe(operator: SymmetricOperator, generator: torch.Generator, known: Outliers,
                  krylov: Krylov, steps: int, stop: Stop, progress: Progress) -> Probe:
    """A Lanczos run of at most `steps` steps from u, uniform in the outliers' complement.

    Its first product also gives, at no further cost, an unbiased sample of the trace that is
    deflated by the whole Krylov basis Q, which holds the r outliers' vectors:
    tr(Q A Q^T) + (P - r) (N u)^T A (N u) with N = I - Q^T Q. The run's basis is discarded.
    """
    first: list[tuple[Tensor, Tensor]] = []

    def matvec(v: Tensor) -> Tensor:
        product = operator.matvec(v)
        if not first:
            first.append((v, product))
        return product

    u = complement_unit(operator, generator, Basis(known.vectors))
    run = lanczos(matvec, operator.size, steps, start=u, against=known.vectors, stop=stop,
                  progress=progress)
    left = operator.size - len(known.values)
    sample = krylov.alphas.sum().item() + left * deflated_quadratic(*first[0], krylov)
    return Probe(known.quadrature(run.alphas, run.betas), sample, run.alphas, run.betas)
