"""Lanczos tridiagonalisation of a symmetric operator, and the Ritz pairs it yields."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ngf_core.curvature.operators.operator import Progress, check_count
from ngf_core.curvature.spectral.basis import Basis
from ngf_core.errors import ConfigError, NGFError

# Called with the alphas and betas so far; True ends the run.
Stop = Callable[[Tensor, Tensor], bool]

# A new direction shorter than this many roundoffs of the matrix's size is roundoff itself.
BREAKDOWN = 20


@dataclass(frozen=True)
class Krylov:
    """m steps of Lanczos: A Qᵀ = Qᵀ T + beta_m q_{m+1} e_mᵀ, with orthonormal rows of Q.

    alphas: (m,) float64, the diagonal of T. betas: (m,) float64; betas[:-1] is the off-diagonal
    of T and betas[-1] = beta_m is the remainder, 0 if the space is invariant.
    rows: the m rows of Q, on the operator's device. next: q_{m+1} (P,), from which the run can
    resume; None if the space is invariant or this is the head of a longer run.
    """

    alphas: Tensor
    betas: Tensor
    rows: Basis
    next: Tensor | None = None

    @property
    def steps(self) -> int:
        """m."""
        return len(self.alphas)

    @property
    def invariant(self) -> bool:
        """Whether A maps the space into itself, so that its Ritz pairs are eigenpairs."""
        return bool(self.betas[-1] == 0)

    @property
    def basis(self) -> Tensor:
        """Q as one new tensor (m, P)."""
        return self.rows.tensor()

    def head(self, steps: int) -> "Krylov":
        """The first `steps` steps, or all if there are fewer."""
        if steps >= self.steps:
            return self
        return Krylov(self.alphas[:steps], self.betas[:steps], self.rows.head(steps))


@dataclass(frozen=True)
class Ritz:
    """Ritz pairs of a Krylov space, largest value first.

    values: (m,). residuals: (m,), ||A u - theta u|| of the unit Ritz vectors u, and at least
    `roundoff`.
    weights: (m,), the squared overlaps of u with the start vector; they sum to 1.
    """

    values: Tensor
    residuals: Tensor
    weights: Tensor
    coefficients: Tensor
    krylov: Krylov

    def vectors(self, which: int | Tensor) -> Tensor:
        """The first `which` Ritz vectors, or those at these indices, rows of a (count, P) tensor.
        """
        if isinstance(which, int):
            which = torch.arange(min(which, len(self.values)))
        return self.krylov.rows.combine(self.coefficients[:, which].T)


def random_unit(size: int, generator: torch.Generator, dtype: torch.dtype,
                device: torch.device | str = "cpu") -> Tensor:
    """A direction drawn uniformly from the sphere, shape (P,); the same numbers on any device."""
    v = torch.randn(size, generator=generator, dtype=torch.float64)
    return v.div(v.norm()).to(device, dtype)


def lanczos(matvec: Callable[[Tensor], Tensor], size: int, steps: int, *,
            start: Tensor | None = None, generator: torch.Generator | None = None,
            dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu",
            against: Tensor | None = None, resume: Krylov | None = None,
            stop: Stop | None = None, progress: Progress | None = None) -> Krylov:
    """At most `steps` Lanczos steps with a symmetric operator (P, P), one product each.

    start: (P,), of any length but 0; without it a random direction from `generator`, in `dtype`.
    against: (r, P) orthonormal rows; the operator is then restricted to their complement.
    resume: an earlier run with the same operator and `against`; it resumes where that one ended,
        up to `steps` steps in all, with the numbers that one long run would have given.
    stop: called after each step with the alphas and betas so far; True ends the run. A resumed run
        calls it before its first step too.
    progress: called after each product with (steps done, most steps).
    Raises ConfigError for bad counts or starts, NGFError if a product is not finite.
    """
    check_count("size", size, 1)
    check_count("steps", steps, 1)
    steps = max(1, min(steps, size - (0 if against is None else len(against))))
    if resume is not None and (resume.steps >= steps or resume.invariant
                               or (stop is not None and stop(resume.alphas, resume.betas))):
        return resume
    for krylov in lanczos_steps(matvec, size, start=start, generator=generator, dtype=dtype,
                                device=device, against=against, resume=resume):
        if progress is not None:
            progress(krylov.steps, steps)
        if krylov.steps >= steps or (stop is not None and stop(krylov.alphas, krylov.betas)):
            break
    return krylov


def lanczos_steps(matvec: Callable[[Tensor], Tensor], size: int, *, start: Tensor | None = None,
                  generator: torch.Generator | None = None, dtype: torch.dtype = torch.float32,
                  device: torch.device | str = "cpu", against: Tensor | None = None,
                  resume: Krylov | None = None) -> Iterator[Krylov]:
    """The Krylov space after each step, until it is invariant; arguments as in `lanczos`.

    Each of them can be resumed.

    Every new direction is orthogonalised twice against all earlier ones, so that no eigenvalue
    reappears as a ghost copy (Parlett, The Symmetric Eigenvalue Problem, 1998, section 13.8).
    When the space becomes invariant the run ends, with beta_m = 0.
    """
    # One basis for the orthogonalisation: the rows to avoid, then the run's own.
    locked = [] if against is None or not len(against) else [against]
    if resume is None:
        q, alphas, betas, every = start, [], [], Basis(*locked)
        if q is None:
            if generator is None:
                raise ConfigError("generator", "there is neither a start vector nor a generator",
                                  "Pass one of the two.")
            q = random_unit(size, generator, dtype, device)
        q = _started(q, size, every)
    else:
        if resume.next is None and not resume.invariant:
            raise ConfigError("resume", "this run does not hold its next direction",
                              "Give a whole run, not the head of one.")
        q, alphas, betas = resume.next, resume.alphas.tolist(), resume.betas.tolist()
        every = Basis(*locked, *resume.rows.blocks)
    free = size - sum(map(len, locked))
    while q is not None:
        every.append(q)
        product = matvec(q)
        w, overlaps = every.orthogonal(product)
        beta = w.norm().item()
        alphas.append(overlaps[-1].item())
        betas.append(beta)
        if not beta < math.inf:
            raise NGFError("A curvature product is not finite. Check the weights and the inputs "
                           "for inf and nan, or measure in float64.")
        roundoff = torch.finfo(w.dtype).eps * max(product.norm().item(), _largest(alphas, betas))
        if beta <= BREAKDOWN * roundoff or len(alphas) == free:
            betas[-1] = 0.0
        q = w / beta if betas[-1] else None
        rows = Basis(*every.blocks[len(locked):])
        yield Krylov(_float64(alphas), _float64(betas), rows, q)


def ritz(krylov: Krylov) -> Ritz:
    """The Ritz pairs of a Krylov space; vectors are formed only on request.

    The residual of pair i is beta_m |s_mi|, s_i being the eigenvectors of T (Parlett 1998,
    section 13.2): no further product is needed. It holds in exact arithmetic, and falls far below
    what the products' rounding leaves of A u - theta u; hence the floor of `roundoff`.
    """
    values, vectors = _eigen(krylov.alphas, krylov.betas)
    residuals = (krylov.betas[-1] * vectors[-1].abs()).clamp_min(
        roundoff(values, krylov.rows.dtype))
    return Ritz(values, residuals, vectors[0] ** 2, vectors, krylov)


def roundoff(values: Tensor, dtype: torch.dtype) -> float:
    """eps ||A||, with the largest |Ritz value| for ||A||: the smallest residual that arithmetic in
    this dtype can tell from 0 (Anderson et al., LAPACK Users' Guide, 1999, section 4.7)."""
    return torch.finfo(dtype).eps * values.abs().max().item()


def ritz_values(alphas: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    """Ritz values (m,), largest first, and their residuals (m,), from T alone: to decide when to
    stop, not to report, since they know no rounding (see `ritz`)."""
    values, vectors = _eigen(alphas, betas)
    return values, betas[-1] * vectors[-1].abs()


def ritz_nodes(alphas: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    """Ritz values (m,), largest first, and their weights (m,), from T alone."""
    values, vectors = _eigen(alphas, betas)
    return values, vectors[0] ** 2


def tridiagonal(alphas: Tensor, betas: Tensor) -> Tensor:
    """T (m, m) with this diagonal (m,) and off-diagonal betas[:-1]."""
    return torch.diag(alphas) + torch.diag(betas[:-1], 1) + torch.diag(betas[:-1], -1)


def _eigen(alphas: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(tridiagonal(alphas, betas))
    return values.flip(0), vectors.flip(1)


def _started(start: Tensor, size: int, against: Basis) -> Tensor:
    if start.shape != (size,):
        raise ConfigError("start", f"its shape is {tuple(start.shape)}",
                          f"Give a vector of shape ({size},).")
    if len(against) >= size:
        raise ConfigError("against", f"{len(against)} vectors leave nothing of {size} dimensions",
                          f"Give at most {size - 1}.")
    q, _ = against.orthogonal(start)
    length = q.norm()
    if not 0 < length < math.inf:
        raise ConfigError("start", "it is zero, not finite or inside the space to avoid",
                          "Give another vector.")
    return q.div(length)


def _largest(alphas: list[float], betas: list[float]) -> float:
    """The largest ||A q_i|| so far."""
    return max(map(math.hypot, alphas, betas, [0.0, *betas[:-1]]))


def _float64(numbers: list[float]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)
