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
    roundoff,
)
from ngf_core.errors import ConfigError


@dataclass(frozen=True)
class Eigenpairs:
    """The k algebraically largest eigenvalues found, in descending order, or smallest, ascending.

    values: (k,) float64. residuals: (k,) float64, ||A v - lambda v||; the true eigenvalue nearest
    to lambda is no further away than that. None is below eps ||A|| of the operator's dtype, about
    1e-7 ||A|| in float32, since rounding hides what is smaller; errors of the products themselves,
    as in a deep network, come on top. vectors: (k, P), orthonormal rows.
    products: matrix products spent. converged: (k,) bool, residual <= tolerance * |lambda_1| and,
    where repeats are searched for, the search has ended. Before it has, the first pair alone can
    be converged: each after it may stand where a copy of one before it belongs.
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
        return bool((residuals[:k] <= tolerance * values[0].abs()).all()
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
    if run is None:
        run = lanczos(operator.matvec, operator.size, max_steps, generator=generator,
                      dtype=operator.dtype, device=operator.device, stop=settled(k, tolerance),
                      progress=progress and (lambda done, _: progress(done, max_steps)))
    pairs = ritz(run)
    margin = tolerance * pairs.values[0].abs().item()
    found = Eigenpairs(pairs.values[:k], pairs.residuals[:k], pairs.vectors(k), run.steps,
                       pairs.residuals[:k] <= margin)
    needed = steps_needed(run, settled(k, tolerance))
    return with_repeats(operator, found, k, needed if check else None, margin,
                        roundoff(pairs.values, operator.dtype), max_steps, generator, progress,
                        certain=not check)


def with_repeats(operator: SymmetricOperator, found: Eigenpairs, k: int, needed: int | None,
                 margin: float, floor: float, max_steps: int, generator: torch.Generator,
                 progress: Progress | None = None, certain: bool = False) -> Eigenpairs:
    """The k largest eigenvalues, given one of each eigenspace: further runs in the complement of
    what was found add the others, until nothing above the k-th is left there by `margin`.

    found: k pairs or, of an invariant space, fewer. needed: steps after which they had converged;
    each run is at least half as long. None: they have not, so that the search only fills up to k.
    floor: the smallest residual to report. max_steps: products in all, with those of `found`.
    certain: whether k pairs need no search, and are converged by their residuals alone.
    """
    values, residuals, vectors, spent = found.values, found.residuals, found.vectors, found.products
    slack, ended = max(margin, floor), certain

    def count(*_: int) -> None:
        nonlocal spent
        spent += 1
        if progress is not None:
            progress(spent, max_steps)

    while len(values) < k or needed is not None:
        short = len(values) < k
        if len(values) >= operator.size:
            ended = True
        if spent >= max_steps or len(values) >= operator.size:
            break
        stop = out_of_reach(None if short else values[-1], slack,
                            0 if short or needed is None else needed // 2)
        start = random_unit(operator.size, generator, vectors.dtype, operator.device)
        run = lanczos(operator.matvec, operator.size, max_steps - spent, against=vectors,
                      start=start, stop=stop, progress=count)
        others = ritz(run)
        if not short and others.values[0] <= values[-1] + slack:
            ended = run.invariant or stop(run.alphas, run.betas)
            break
        u = others.vectors(1)[0]
        # Seen from the complement, the residual lacks its part along the vectors already found.
        product = operator.matvec(u)
        count()
        residual = (product - others.values[0].to(u) * u).norm().double().cpu().clamp_min(floor)
        order = torch.argsort(torch.cat([values, others.values[:1]]), descending=True)[:k]
        values = torch.cat([values, others.values[:1]])[order]
        residuals = torch.cat([residuals, residual[None]])[order]
        vectors = torch.cat([vectors, u[None]])[order.to(vectors.device)]
    converged = residuals <= margin
    if not ended:
        converged[1:] = False
    return Eigenpairs(values, residuals, vectors, spent, converged)


def bottom_eigenvalues(operator: SymmetricOperator, k: int, max_steps: int = 300,
                       tolerance: float = 1e-3, generator: torch.Generator | None = None,
                       progress: Progress | None = None, check: bool = True) -> Eigenpairs:
    """The k smallest eigenvalues, smallest first: `top_eigenvalues` of -A, values negated."""
    pairs = top_eigenvalues(Negative(operator), k, max_steps, tolerance, generator, progress,
                            check=check)
    return replace(pairs, values=-pairs.values)


def steps_needed(run: Krylov, stop: Stop) -> int | None:
    """The first step after which the pairs that `stop` asks for had converged, or None if they have
    not.

    An invariant space has converged, however few pairs it holds.
    """
    for steps in range(1, run.steps + 1):
        if stop(run.alphas[:steps], run.betas[:steps]):
            return steps
    return run.steps if run.invariant else None


def out_of_reach(floor: Tensor | None, margin: float, at_least: int) -> Stop:
    """Stop when the largest pair has converged, or is out of reach of `floor`."""
    def stop(alphas: Tensor, betas: Tensor) -> bool:
        if len(alphas) < at_least:
            return False
        values, residuals = ritz_values(alphas, betas)
        below = floor is not None and values[0] + residuals[0] < floor
        return bool(below or residuals[0] <= margin)

    return stop


class Negative:
    """-A."""

    def __init__(self, operator: SymmetricOperator) -> None:
        self.size, self.dtype, self.device = operator.size, operator.dtype, operator.device
        self._operator = operator

    def matvec(self, v: Tensor) -> Tensor:
        return -self._operator.matvec(v)
