"""The spectral density of a symmetric operator, by stochastic Lanczos quadrature."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ngf_core.curvature.operators.operator import SymmetricOperator, check_count
from ngf_core.curvature.spectral.eigenvalues import Eigenpairs
from ngf_core.curvature.spectral.lanczos import Krylov, Stop, lanczos, random_unit, ritz_nodes
from ngf_core.errors import ConfigError

GRID_POINTS = 600
RELATIVE_WIDTH = 0.01
BAND_PROBES = 3
# A smoothed density has settled when two steps in a row change it nowhere by more than a tenth.
SETTLED = 0.1


@dataclass(frozen=True)
class Quadrature:
    """What one random probe shows of the P eigenvalues.

    atoms: (k,) eigenvalues known exactly, each of weight 1/P. nodes, weights: (s,), the quadrature
    for the other P - k of them; the weights sum to 1.
    """

    atoms: Tensor
    nodes: Tensor
    weights: Tensor
    size: int

    def density(self, grid: Tensor, width: float) -> Tensor:
        """(g,), integrates to 1."""
        share = len(self.atoms) / self.size
        known = smoothed(self.atoms, torch.full_like(self.atoms, 1 / self.size), grid, width)
        return known + (1 - share) * smoothed(self.nodes, self.weights, grid, width)


@dataclass(frozen=True)
class Density:
    """Smoothed spectral density on a grid; every probe's integrates to 1.

    grid: (g,) eigenvalues. values: (probes, g), one density per probe. mean: (g,).
    low, high: (g,), the smallest and the largest value among the probes; None below three probes,
    where they would mean nothing. The range of p draws covers the median of their distribution
    with probability 1 - 2^(1-p): 75 % for three. It is not an error bar of the mean.
    width: standard deviation of the Gaussian kernel.
    """

    grid: Tensor
    values: Tensor
    mean: Tensor
    low: Tensor | None
    high: Tensor | None
    width: float


def spectral_density(source: SymmetricOperator | Sequence[Krylov | Quadrature], probes: int = 3,
                     steps: int = 40, generator: torch.Generator | None = None,
                     grid: Tensor | None = None, width: float | None = None,
                     deflate: Eigenpairs | None = None, settle: bool = False) -> Density:
    """The density (1/P) sum_i N(t; lambda_i, width^2) of the eigenvalues, estimated.

    A Lanczos run of m steps from a random unit vector gives a quadrature of m nodes: the
    Ritz values theta_i with the squared first components of T's eigenvectors as weights tau_i,
    density(t) = sum_i tau_i N(t; theta_i, width^2). Averaged over probes it has the right moments
    up to order 2m - 1 (Lin, Saad, Yang, SIAM Review 58, 2016; for networks Papyan 2018, arXiv
    1811.07062, and Ghorbani, Krishnan, Xiao 2019, arXiv 1901.10159).

    source: an operator, which costs at most probes * steps products, or finished runs from
    independent random starts, which cost none (`probes`, `steps`, `generator`, `deflate` and
    `settle` are then not used).
    deflate: eigenpairs that enter exactly, with weight 1/P each; the runs stay in their complement
    and need far fewer steps, since outliers no longer stretch the spectrum.
    settle: end each run when its smoothed density has settled (see `settled_density`).
    grid: (g,) increasing; by default 600 points, six widths beyond the extreme eigenvalues.
    width: by default 1 % of the eigenvalues' range. Raises ConfigError for bad counts.
    """
    if width is not None and not width > 0:
        raise ConfigError("width", f"{width!r} is not positive", "Use a width above 0, or None.")
    if isinstance(source, Sequence):
        check_count("probes", len(source), 1)
        parts = [quadrature(s.alphas, s.betas, s.rows.length) if isinstance(s, Krylov) else s
                 for s in source]
    else:
        check_count("probes", probes, 1)
        if generator is None:
            raise ConfigError("generator", "there is none", "Pass a seeded torch.Generator.")
        atoms, against = (None, None) if deflate is None else (deflate.values, deflate.vectors)

        def seen(alphas: Tensor, betas: Tensor) -> Quadrature:
            return quadrature(alphas, betas, source.size, atoms)

        stop, parts = settled_density(seen, width) if settle else None, []
        for _ in range(probes):
            start = random_unit(source.size, generator, source.dtype, source.device)
            run = lanczos(source.matvec, source.size, steps, start=start, against=against,
                          stop=stop)
            parts.append(seen(run.alphas, run.betas))
    width = width or natural_width(parts)
    grid = natural_grid(parts, width) if grid is None else grid.double()
    values = torch.stack([part.density(grid, width) for part in parts])
    banded = len(parts) >= BAND_PROBES
    return Density(grid, values, values.mean(0), values.amin(0) if banded else None,
                   values.amax(0) if banded else None, width)


def quadrature(alphas: Tensor, betas: Tensor, size: int, atoms: Tensor | None = None) -> Quadrature:
    """The quadrature of a run in the complement of the `atoms`' vectors, if there are any."""
    nodes, weights = ritz_nodes(alphas, betas)
    return Quadrature(alphas.new_empty(0) if atoms is None else atoms, nodes, weights, size)


def settled_density(seen: Callable[[Tensor, Tensor], Quadrature],
                    width: float | None = None) -> Stop:
    """A stop rule for `lanczos`: the density that `seen(alphas, betas)` gives no longer changes.

    Two steps in a row change it nowhere by more than SETTLED times the density plus the height
    1 / (P width sqrt(2 pi)) of a single eigenvalue: what a log axis shows.
    """
    def stop(alphas: Tensor, betas: Tensor) -> bool:
        m = len(alphas)
        if m < 3:
            return False
        parts = [seen(alphas[:j], betas[:j]) for j in (m, m - 1, m - 2)]
        scale = width or natural_width(parts)
        grid = natural_grid(parts, scale)
        last, before, first = (part.density(grid, scale) for part in parts)
        one = 1 / (parts[0].size * scale * math.sqrt(2 * math.pi))
        allowed = SETTLED * (last + one)
        return bool(((last - before).abs() <= allowed).all()
                    and ((before - first).abs() <= allowed).all())

    return stop


def smoothed(nodes: Tensor, weights: Tensor, grid: Tensor, width: float) -> Tensor:
    """sum_i weights_i N(t; nodes_i, width^2) at every t of the grid, shape (g,)."""
    z = (grid[:, None] - nodes) / width
    return (-0.5 * z**2).exp() @ weights / (width * math.sqrt(2 * math.pi))


def natural_width(parts: Sequence[Quadrature]) -> float:
    """1 % of the range of the eigenvalues that the probes found.

    Of their magnitude if the range is a point, 0.01 if that point is 0.
    """
    low, high = _range(parts)
    magnitude = max(abs(low), abs(high))
    extent = high - low if high - low > 1e-6 * magnitude else magnitude or 1.0
    return RELATIVE_WIDTH * extent


def natural_grid(parts: Sequence[Quadrature], width: float) -> Tensor:
    """600 points from six widths below to six widths above what the probes found."""
    low, high = _range(parts)
    return torch.linspace(low - 6 * width, high + 6 * width, GRID_POINTS, dtype=torch.float64)


def _range(parts: Sequence[Quadrature]) -> tuple[float, float]:
    every = torch.cat([torch.cat([part.atoms, part.nodes]) for part in parts])
    return every.min().item(), every.max().item()
