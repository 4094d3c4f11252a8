"""The spectral density of a symmetric operator, by stochastic Lanczos quadrature."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ngf_core.curvature.lanczos import Krylov, lanczos, ritz
from ngf_core.curvature.operator import SymmetricOperator, check_count
from ngf_core.errors import ConfigError

GRID_POINTS = 600
RELATIVE_WIDTH = 0.01
BAND_PROBES = 3


@dataclass(frozen=True)
class Density:
    """Smoothed spectral density on a grid; every probe's integrates to 1.

    grid: (g,) eigenvalues. values: (probes, g), one density a probe. mean: (g,).
    low, high: (g,), the smallest and the largest value among the probes; None below three probes,
    where they would say nothing. width: standard deviation of the Gaussian kernel.
    """

    grid: Tensor
    values: Tensor
    mean: Tensor
    low: Tensor | None
    high: Tensor | None
    width: float


def spectral_density(source: SymmetricOperator | Sequence[Krylov], probes: int = 3,
                     steps: int = 40, generator: torch.Generator | None = None,
                     grid: Tensor | None = None, width: float | None = None) -> Density:
    """The density (1/P) sum_i N(t; lambda_i, width^2) of the eigenvalues, estimated.

    A Lanczos run of m steps from a random unit vector turns into a quadrature of m nodes: the
    Ritz values theta_i with the squared first components of T's eigenvectors as weights tau_i,
    density(t) = sum_i tau_i N(t; theta_i, width^2). Averaged over probes it has the right moments
    up to order 2m - 1 (Lin, Saad, Yang, SIAM Review 58, 2016; for networks Papyan 2018, arXiv
    1811.07062, and Ghorbani, Krishnan, Xiao 2019, arXiv 1901.10159).

    source: an operator, which costs probes * steps products, or finished runs from independent
    random starts, which cost none (`probes`, `steps` and `generator` are then not used).
    grid: (g,) increasing; by default 600 points, six widths beyond the extreme Ritz values.
    width: by default 1 % of the range of the Ritz values. Raises ConfigError for bad counts.
    """
    if isinstance(source, Sequence):
        runs = list(source)
        check_count("probes", len(runs), 1)
    else:
        check_count("probes", probes, 1)
        if generator is None:
            raise ConfigError("generator", "there is none", "Pass a seeded torch.Generator.")
        runs = [lanczos(source.matvec, source.size, steps, generator=generator,
                        dtype=source.dtype) for _ in range(probes)]
    pairs = [ritz(run) for run in runs]
    nodes = torch.cat([p.values for p in pairs])
    low, high = nodes.min().item(), nodes.max().item()
    if width is None:
        width = RELATIVE_WIDTH * _extent(low, high)
    if not width > 0:
        raise ConfigError("width", f"{width!r} is not positive", "Use a width above 0, or None.")
    if grid is None:
        grid = torch.linspace(low - 6 * width, high + 6 * width, GRID_POINTS, dtype=torch.float64)
    grid = grid.double()
    values = torch.stack([smoothed(p.values, p.weights, grid, width) for p in pairs])
    banded = len(pairs) >= BAND_PROBES
    return Density(grid, values, values.mean(0), values.amin(0) if banded else None,
                   values.amax(0) if banded else None, width)


def smoothed(nodes: Tensor, weights: Tensor, grid: Tensor, width: float) -> Tensor:
    """sum_i weights_i N(t; nodes_i, width^2) at every t of the grid, shape (g,)."""
    z = (grid[:, None] - nodes) / width
    return (-0.5 * z**2).exp() @ weights / (width * math.sqrt(2 * math.pi))


def _extent(low: float, high: float) -> float:
    """The range of the spectrum; its magnitude if that is one point, 1 if that point is 0."""
    magnitude = max(abs(low), abs(high))
    return high - low if high - low > 1e-6 * magnitude else magnitude or 1.0
