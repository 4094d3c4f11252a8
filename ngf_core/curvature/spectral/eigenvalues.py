"""The largest and smallest eigenvalues of a symmetric operator, each with its residual."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ngf_core.curvature.operators.operator import Progress, SymmetricOperator, check_count
from ngf_core.curvature.spectral.lanczos import (
    Krylov,
    Stop,
    lanczos,
    random_unit,
    ritz,
    ritz_values,
)
from ngf_core.errors import ConfigError


@dataclass(frozen=True)
class Eigenpairs:
    """The k algebraically largest eigenvalues found, in descending order, or smallest, ascending.

    values: (k,) float64. residuals: (k,) float64, ||A v - lambda v||; the true eigenvalue nearest
    to lambda is no further away than that. vectors: (k, P), orthonormal rows.
    products: matrix products spent. converged: (k,) bool, residual <= tolerance * |lambda_1|.
    """

    values: Tensor
    residuals: Tensor
    vectors: Tensor
    products: int
    converged: Tensor


def settled(k: int, tolerance: float, at_least: int = 0, bottom: int = 0) -> Stop:
    """A stop rule for `lanczos`: the wanted Ritz pairs have converged.

    The k largest have residuals <= tolerance * |lambda_1|, the `bottom` smallest residuals
    <= tolerance * max_i |lambda_i|. It never stops before `at_least` steps.
    """
    def stop(alphas: Tensor, betas: Tensor) -> bool:
        if len(alphas) < max(k + bottom, at_least):
            return False
        values, residuals = ritz_values(alphas, betas)
        low = residuals[len(residuals) - bottom :]
        return bool(residuals[:k].max() <= tolerance * values[0].abs()
                    and (low <= tolerance * values.abs().max()).all())

    return stop


def top_eigenvalues(operator: SymmetricOperator, k: int, max_steps: int = 300,
                    tolerance: float = 1e-3, generator: torch.Generator | None = None,
                    progress: Progress | None = None, run: Krylov | None = None,
                    check: bool = True) -> Eigenpairs:
    """The k largest eigenvalues by Lanczos, until every residual is <= tolerance * |lambda_1|.

    One Krylov space holds a single vector of each eigenspace, so it misses repeated eigenvalues.
    With `check`, further runs in the complement of what was found search for them; each is at
    least half as long as the first run needed, and ends when nothing larger than lambda_k is
    left. Without `check` the guarantee is that of ARPACK's `eigsh`: repeats can be missed.

    What has not converged after `max_steps` products is returned as it is: `residuals` and
    `converged` show it. progress: called after each product with (done, max_steps).
    run: a Krylov run of this operator to start from; its products count, but are not spent again.
    Raises ConfigError for bad counts, among them k above the operator's size.
    """
    check_count("k", k, 1, operator.size)
    check_count("max_steps", max_steps, k)
    if not tolerance > 0:
        raise ConfigError("tolerance", f"{tolerance!r} is not positive", "Use for instance 1e-3.")
    if generator is None:
        raise ConfigError("generator", "there is none", "Pass a seeded torch.Generator.")
    spent = 0 if run is None else run.steps

    def count(*_: int) -> None:
        nonlocal spent
        spent += 1
        if progress is not None:
            progress(spent, max_steps)

    if run is None:
        run = lanczos(operator.matvec, operator.size, max_steps, generator=generator,
                      dtype=operator.dtype, device=operator.device, stop=settled(k, tolerance),
                      progress=count)
    pairs = ritz(run)
    values, residuals, vectors = pairs.values[:k], pairs.residuals[:k], pairs.vectors(k)
    needed = steps_needed(run, k, tolerance)
    while len(values) < k or (check and needed is not None):
        short = len(values) < k
        if spent >= max_steps or len(values) >= operator.size:
            break
        margin = tolerance * values[0].abs()
        stop = out_of_reach(None if short else values[-1], margin,
                            0 if short or needed is None else needed // 2)
        start = random_unit(operator.size, generator, vectors.dtype, operator.device)
        found = ritz(lanczos(operator.matvec, operator.size, max_steps - spent, against=vectors,
                             start=start, stop=stop, progress=count))
        if not short and found.values[0] <= values[-1] + margin:
            break
        u = found.vectors(1)[0]
        # Seen from the complement, the residual lacks its part along the vectors already found.
        product = operator.matvec(u)
        count()
        residual = (product - found.values[0].to(u) * u).norm().double().cpu()
        order = torch.argsort(torch.cat([values, found.values[:1]]), descending=True)[:k]
        values = torch.cat([values, found.values[:1]])[order]
        residuals = torch.cat([residuals, residual[None]])[order]
        vectors = torch.cat([vectors, u[None]])[order.to(vectors.device)]
    return Eigenpairs(values, residuals, vectors, spent, residuals <= tolerance * values[0].abs())


def bottom_eigenvalues(operator: SymmetricOperator, k: int, max_steps: int = 300,
                       tolerance: float = 1e-3, generator: torch.Generator | None = None,
                       progress: Progress | None = None, check: bool = True) -> Eigenpairs:
    """The k smallest eigenvalues, smallest first: `top_eigenvalues` of -A, values negated."""
    pairs = top_eigenvalues(_Negative(operator), k, max_steps, tolerance, generator, progress,
                            check=check)
    return replace(pairs, values=-pairs.values)


def steps_needed(run: Krylov, k: int, tolerance: float) -> int | None:
    """The first step after which the k largest pairs had converged, or None if they have not.

    An invariant space has converged, however few pairs it holds.
    """
    for steps in range(1, run.steps + 1):
        if settled(k, tolerance)(run.alphas[:steps], run.betas[:steps]):
            return steps
    return run.steps if run.invariant else None


def out_of_reach(floor: Tensor | None, margin: Tensor, at_least: int) -> Stop:
    """Stop when the largest pair has converged, or is out of reach of `floor`."""
    def stop(alphas: Tensor, betas: Tensor) -> bool:
        if len(alphas) < at_least:
            return False
        values, residuals = ritz_values(alphas, betas)
        below = floor is not None and values[0] + residuals[0] < floor
        return bool(below or residuals[0] <= margin)

    return stop


class _Negative:
    """-A."""

    def __init__(self, operator: SymmetricOperator) -> None:
        self.size, self.dtype, self.device = operator.size, operator.dtype, operator.device
        self._operator = operator

    def matvec(self, v: Tensor) -> Tensor:
        return -self._operator.matvec(v)
