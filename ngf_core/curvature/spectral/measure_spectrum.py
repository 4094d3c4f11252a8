"""Everything that the spectrum page shows for one model, from one set of curvature products."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ngf_core.curvature.operators.data import Data
from ngf_core.curvature.operators.empirical_fisher import EmpiricalFisherOperator
from ngf_core.curvature.operators.fisher import FisherOperator
from ngf_core.curvature.operators.ggn import GGNOperator
from ngf_core.curvature.operators.hessian import HessianOperator
from ngf_core.curvature.operators.loss import Loss
from ngf_core.curvature.operators.loss_operator import LossOperator
from ngf_core.curvature.operators.operator import Progress, SymmetricOperator, check_count
from ngf_core.curvature.operators.sharded import sharded
from ngf_core.curvature.spectral.deflated_trace import FEWEST, TraceEstimate
from ngf_core.curvature.spectral.density import Density, spectral_density
from ngf_core.curvature.spectral.density_probe import outliers, run_as_probe
from ngf_core.curvature.spectral.stages import (
    SEARCH,
    USUAL_PROBE,
    Meter,
    SpectrumTarget,
    find_lowest,
    find_pairs,
    run_density_probes,
    run_krylov,
    sample_trace,
)
from ngf_core.curvature.spectral.state import SpectrumState
from ngf_core.curvature.spectral.vector_budget import VectorBudget, bytes_for_vectors
from ngf_core.errors import ConfigError
from ngf_core.ranks.group import Ranks

OPERATORS: dict[str, Callable[..., LossOperator]] = {
    "hessian": HessianOperator, "ggn": GGNOperator, "fisher": FisherOperator,
    "empirical": EmpiricalFisherOperator}

# Bytes for graphs and vectors together by default. Python, torch and the copies of a network of 11
# million parameters take about 1e9 more.
MEMORY = 2_500_000_000
# Lanczos steps the first run may take beyond the eigenvalues that are wanted.
EXTRA_STEPS = 200


@dataclass(frozen=True)
class Spectrum:
    """Curvature of the mean loss of one model on one sample set.

    eigenvalues: (k,), largest first. residuals: (k,). converged: (k,) bool. lowest,
    lowest_residuals, lowest_converged: (b,), the smallest eigenvalues, smallest first.
    trace, density: see their classes. products: spent in total, earlier measurements included.
    unreached: one sentence per target that was not reached; empty if all were.
    state: from which a later measurement can resume.
    """

    eigenvalues: Tensor
    residuals: Tensor
    converged: Tensor
    lowest: Tensor
    lowest_residuals: Tensor
    lowest_converged: Tensor
    trace: TraceEstimate
    density: Density
    products: int
    unreached: tuple[str, ...]
    state: SpectrumState


def measure_spectrum(model: nn.Module, data: Data, *, operator: str = "hessian",
                     loss: Loss = cross_entropy, parameters: Sequence[str] | None = None,
                     dtype: torch.dtype = torch.float32, memory: float = MEMORY,
                     batch_size: int | None = None, k: int = 5, bottom: int = 1,
                     steps: int = 40, ranks: Ranks | None = None, **wanted: Any) -> Spectrum:
    """`spectrum_of` the Hessian, GGN, true ("fisher") or empirical Fisher of a model's mean loss.

    data, loss, parameters, dtype, batch_size: see `LossOperator`. memory: bytes for the autograd
    graphs and all vectors together, of each of the `ranks` that share the samples; the rest of the
    arguments are those of `spectrum_of`.
    Raises ConfigError for arguments that do not fit, NGFError for a loss that is not finite.
    """
    if operator not in OPERATORS:
        raise ConfigError("operator", f"{operator!r} is unknown",
                          f"Choose one of {', '.join(OPERATORS)}.")
    each = _parameter_count(model, parameters) * torch.finfo(dtype).bits // 8
    vectors = bytes_for_vectors(memory, each, k + bottom)
    curvature = sharded(lambda share: OPERATORS[operator](
        model, share, loss=loss, parameters=parameters, dtype=dtype, memory=memory - vectors,
        batch_size=batch_size), data, ranks)
    return spectrum_of(curvature, k=k, bottom=bottom, steps=steps, memory=vectors, **wanted)


def spectrum_of(operator: SymmetricOperator, *, k: int = 5, bottom: int = 1, probes: int = 3,
                steps: int = 40, trace_probes: int = 100, trace_error: float | None = 0.05,
                tolerance: float = 1e-3, seed: int = 0, memory: float = MEMORY,
                earlier: SpectrumState | None = None,
                progress: Progress | None = None) -> Spectrum:
    """Leading and smallest eigenvalues, trace and spectral density of a symmetric operator.

    One Krylov run serves all three. It ends when the k largest eigenvalues have residuals
    <= tolerance * |lambda_1|, the `bottom` smallest residuals <= tolerance * max |lambda|, and the
    density it gives has settled. Eigenvalues that have converged enter the density as atoms; the
    run is its first probe, and `probes` - 1 more run in the complement of the atoms, each until
    its density has settled, at most `steps` steps. The first of them also searches for repeats of
    the largest eigenvalues, of which one Krylov space holds one each; where `bottom` is above 1,
    further runs search for repeats of the smallest. Until that search has ended, only the first
    eigenvalue at its end is called converged. The trace is exact on the whole Krylov basis; the
    first product of every further probe is a sample of the rest, and single products follow until
    the relative standard error is `trace_error` (None: until there are `trace_probes` of them), at
    most `trace_probes` in all.

    The same seed gives the same numbers on the same machine. memory: bytes for vectors; what does
    not fit ends a run early, which `unreached` reports.
    earlier: the `state` of a spectrum of the same operator; only missing products are computed, and
    the state grows. It stays consistent when `progress` raises, without the steps of the density
    probe that was under way, so that a cancelled measurement can be resumed.
    progress: called after every product with (done, total) of this call; total is the plan so
    far, exact at the end.
    """
    check_count("k", k, 1, operator.size)
    check_count("bottom", bottom, 0, operator.size)
    check_count("probes", probes, 1)
    check_count("steps", steps, 3)
    check_count("trace_probes", trace_probes, 2)
    for name, value in (("tolerance", tolerance), ("trace_error", trace_error)):
        if value is not None and not value > 0:
            raise ConfigError(name, f"{value!r} is not positive", "Use for instance 1e-3.")
    state = SpectrumState(seed) if earlier is None else earlier
    if state.seed != seed:
        raise ConfigError("seed", f"the earlier measurement had seed {state.seed}, not {seed}",
                          "Use its seed, or start again.")
    target, meter = SpectrumTarget(operator.size, k, bottom, tolerance), Meter(state, progress)
    budget = VectorBudget.of(memory, operator, k + bottom)
    longest = budget.krylov_steps(k + bottom + EXTRA_STEPS, k + bottom, steps)

    later = USUAL_PROBE * (probes - 1) + FEWEST
    krylov = run_krylov(operator, state, target, longest, meter, later)
    known = outliers(krylov, operator.size, k, bottom, tolerance)
    free = budget.probe_steps(max(steps, SEARCH), krylov.steps + len(known.values))
    run_density_probes(operator, state, target, known, probes - 1, steps, free, meter, FEWEST)
    pairs = find_pairs(operator, state, target, meter, FEWEST)
    free = budget.probe_steps(SEARCH, krylov.steps + k + bottom)
    lowest = find_lowest(operator, state, target, free, meter, FEWEST)
    total = sample_trace(operator, state, trace_probes, trace_error, meter)
    meter.close()

    own = run_as_probe(krylov.alphas, krylov.betas, operator.size, k, bottom, tolerance)
    density = spectral_density([own, *state.quadratures])
    unreached = []
    if not target.converged(krylov):
        tight = krylov.steps == longest < k + bottom + EXTRA_STEPS
        unreached.append(f"Not all eigenvalues converged in {krylov.steps} Lanczos steps"
                         + (", for which the memory had room." if tight else "."))
    elif not (pairs.converged[:k].all() and lowest.converged[:bottom].all()):
        unreached.append("The search for repeats of the eigenvalues did not end, or the tolerance "
                         "is below what the arithmetic can show.")
    if not total.reached:
        unreached.append(f"The standard error of the trace is above {trace_error:.3g} of it after "
                         f"{total.probes} probes.")
    return Spectrum(pairs.values[:k], pairs.residuals[:k], pairs.converged[:k],
                    lowest.values[:bottom], lowest.residuals[:bottom], lowest.converged[:bottom],
                    total, density, state.products, tuple(unreached), state)


def _parameter_count(model: nn.Module, names: Sequence[str] | None) -> int:
    """P; unknown names are left for the operator to refuse."""
    named = dict(model.named_parameters(remove_duplicate=False))
    chosen = [p for name, p in named.items()
              if (p.requires_grad if names is None else name in names)]
    return sum({id(p): p.numel() for p in chosen}.values())
