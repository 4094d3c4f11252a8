"""Lanczos tridiagonalisation of a symmetric operator, and the Ritz pairs it yields."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ngf_core.curvature.operator import Progress, check_count
from ngf_core.errors import ConfigError, NGFError

# A new direction shorter than this many roundoffs of the matrix's size is roundoff itself.
BREAKDOWN = 20


@dataclass(frozen=True)
class Krylov:
    """m steps of Lanczos: A Qᵀ = Qᵀ T + beta_m q_{m+1} e_mᵀ, with orthonormal rows of Q.

    alphas: (m,) float64, the diagonal of T. betas: (m,) float64; betas[:-1] is the off-diagonal
    of T and betas[-1] = beta_m is what is left over, 0 if the space is invariant.
    basis: (m, P), the rows of Q.
    """

    alphas: Tensor
    betas: Tensor
    basis: Tensor

    @property
    def steps(self) -> int:
        """m."""
        return len(self.alphas)

    @property
    def invariant(self) -> bool:
        """Whether A maps the space into itself, so that its Ritz pairs are eigenpairs."""
        return bool(self.betas[-1] == 0)

    def head(self, steps: int) -> "Krylov":
        """The first `steps` steps, or all if there are fewer."""
        return Krylov(self.alphas[:steps], self.betas[:steps], self.basis[:steps])


@dataclass(frozen=True)
class Ritz:
    """Ritz pairs of a Krylov space, largest value first.

    values: (m,). residuals: (m,), ||A u - theta u|| of the unit Ritz vectors u.
    weights: (m,), the squared overlaps of u with the start vector; they sum to 1.
    """

    values: Tensor
    residuals: Tensor
    weights: Tensor
    coefficients: Tensor
    krylov: Krylov

    def vectors(self, count: int) -> Tensor:
        """The first `count` Ritz vectors, rows of a (count, P) tensor."""
        basis = self.krylov.basis
        return self.coefficients[:, :count].T.to(basis.dtype) @ basis


def random_unit(size: int, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """A direction drawn uniformly from the sphere, shape (P,)."""
    v = torch.randn(size, generator=generator, dtype=torch.float64)
    return (v / v.norm()).to(dtype)


def lanczos(matvec: Callable[[Tensor], Tensor], size: int, steps: int, *,
            start: Tensor | None = None, generator: torch.Generator | None = None,
            dtype: torch.dtype = torch.float32, against: Tensor | None = None,
            stop: Callable[[Tensor, Tensor], bool] | None = None,
            progress: Progress | None = None) -> Krylov:
    """At most `steps` Lanczos steps with a symmetric operator (P, P), one product each.

    Every new direction is orthogonalised twice against all earlier ones, so that no eigenvalue
    comes back as a ghost copy (Parlett, The Symmetric Eigenvalue Problem, 1998, section 13.8;
    twice is enough: Giraud et al., Numerische Mathematik 101, 2005). When the space becomes
    invariant the run ends early, with beta_m = 0.

    start: (P,), of any length but 0; without it a random direction from `generator`, in `dtype`.
    against: (r, P) orthonormal rows; the operator is then restricted to their complement.
    stop: asked after each step with the alphas and betas so far; True ends the run.
    progress: called after each product with (steps done, steps asked for).
    Raises ConfigError for bad counts or starts, NGFError if a product is not finite.
    """
    check_count("size", size, 1)
    check_count("steps", steps, 1)
    if start is None:
        if generator is None:
            raise ConfigError("generator", "there is neither a start vector nor a generator",
                              "Pass one of the two.")
        start = random_unit(size, generator, dtype)
    if start.shape != (size,):
        raise ConfigError("start", f"its shape is {tuple(start.shape)}",
                          f"Give a vector of shape ({size},).")
    locked = 0 if against is None else len(against)
    steps = min(steps, size - locked)
    if steps == 0:
        raise ConfigError("against", f"{locked} vectors leave nothing of {size} dimensions",
                          f"Give at most {size - 1}.")
    rows = torch.empty(locked + steps, size, dtype=start.dtype)
    if locked:
        rows[:locked] = against
    q, _ = _orthogonal(start, rows[:locked])
    if not q.norm() > 0:
        raise ConfigError("start", "it is zero, not finite or inside the space to avoid",
                          "Give another vector.")
    q = q / q.norm()
    alphas, betas, scale = [], [], 0.0
    for step in range(steps):
        rows[locked + step] = q
        product = matvec(q)
        if progress is not None:
            progress(step + 1, steps)
        w, overlaps = _orthogonal(product, rows[: locked + step + 1])
        alpha, beta = overlaps[-1].item(), w.norm().item()
        scale = max(scale, product.norm().item())
        if not beta < float("inf"):
            raise NGFError("A curvature product is not finite. Check the weights and the inputs "
                           "for inf and nan, or measure in float64.")
        if beta <= BREAKDOWN * torch.finfo(w.dtype).eps * scale or step + 1 == size - locked:
            beta = 0.0
        alphas.append(alpha)
        betas.append(beta)
        done = beta == 0 or step + 1 == steps
        if done or (stop is not None and stop(_float64(alphas), _float64(betas))):
            break
        q = w / beta
    return Krylov(_float64(alphas), _float64(betas), rows[locked : locked + len(alphas)])


def ritz(krylov: Krylov) -> Ritz:
    """The Ritz pairs of a Krylov space; vectors are formed only when asked for.

    The residual of pair i is beta_m |s_mi|, s_i being the eigenvectors of T (Parlett 1998,
    section 13.2): no further product is needed.
    """
    values, vectors = _tridiagonal(krylov.alphas, krylov.betas)
    return Ritz(values, krylov.betas[-1] * vectors[-1].abs(), vectors[0] ** 2, vectors, krylov)


def ritz_values(alphas: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    """Ritz values (m,), largest first, and their residuals (m,), from T alone."""
    values, vectors = _tridiagonal(alphas, betas)
    return values, betas[-1] * vectors[-1].abs()


def _tridiagonal(alphas: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    t = torch.diag(alphas) + torch.diag(betas[:-1], 1) + torch.diag(betas[:-1], -1)
    values, vectors = torch.linalg.eigh(t)
    return values.flip(0), vectors.flip(1)


def _orthogonal(w: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The part of `w` orthogonal to the rows, and the overlaps that were taken off."""
    first = rows @ w
    w = w - first @ rows
    second = rows @ w
    return w - second @ rows, first + second


def _float64(numbers: list[float]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)
