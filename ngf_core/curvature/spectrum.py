"""Everything the spectrum page shows of one model, from one set of Hessian products."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ngf_core.curvature.density import Density, spectral_density
from ngf_core.curvature.eigenvalues import settled, top_eigenvalues
from ngf_core.curvature.hessian import HessianOperator
from ngf_core.curvature.lanczos import lanczos
from ngf_core.curvature.operator import Progress, check_count
from ngf_core.curvature.trace import Estimate, trace

# Steps the first run may take beyond those asked for, to let the eigenvalues converge.
EXTRA_STEPS = 200


@dataclass(frozen=True)
class Spectrum:
    """Curvature of the mean cross-entropy of one model on one sample set.

    eigenvalues: (k,), largest first. residuals: (k,). converged: (k,) bool. trace, density: see
    there. products: Hessian products spent on all of it.
    """

    eigenvalues: Tensor
    residuals: Tensor
    converged: Tensor
    trace: Estimate
    density: Density
    products: int


def measure_spectrum(model: nn.Module, inputs: Tensor, targets: Tensor, k: int = 5,
                     probes: int = 3, steps: int = 40, trace_probes: int = 20, seed: int = 0,
                     dtype: torch.dtype = torch.float32, progress: Progress | None = None,
                     tolerance: float = 1e-3,
                     parameters: list[str] | None = None) -> Spectrum:
    """Leading eigenvalues, trace and spectral density of the Hessian (see `HessianOperator`).

    `probes` Lanczos runs of `steps` steps give the density. The first goes on, if need be, until
    the k leading pairs have residuals <= tolerance * lambda_1; their eigenvectors deflate the
    trace. The same seed gives the same numbers on the same machine.

    progress: called after every product with (done, total); total is the plan so far, exact at
    the end. If it raises, the exception passes through and nothing is left behind.
    Raises ConfigError for bad counts or inputs, NGFError for a loss that is not finite.
    """
    check_count("probes", probes, 1)
    check_count("steps", steps, 1)
    check_count("trace_probes", trace_probes, 2)
    operator = HessianOperator(model, (inputs, targets), parameters=parameters, dtype=dtype)
    check_count("k", k, 1, operator.size)
    generator = torch.Generator().manual_seed(seed)
    planned = [min(steps, operator.size)] * probes + [steps // 4, k + trace_probes]

    def tick(*_: int) -> None:
        if progress is not None:
            done = operator.products
            progress(done, max(done, phase_end) + sum(planned))

    runs = []
    for i in range(probes):
        phase_end = operator.products + planned.pop(0)
        longest, stop = (max(steps, k) + EXTRA_STEPS, settled(k, tolerance, steps)) if i == 0 \
            else (steps, None)
        runs.append(lanczos(operator.matvec, operator.size, longest, generator=generator,
                            dtype=dtype, stop=stop, progress=tick))
    phase_end = operator.products + planned.pop(0)
    pairs = top_eigenvalues(operator, k, max(steps, k) + EXTRA_STEPS, tolerance, generator, tick,
                            run=runs[0])
    phase_end = operator.products + planned.pop(0)
    total = trace(operator, trace_probes, generator, pairs.vectors, tick)
    density = spectral_density([run.head(steps) for run in runs])
    return Spectrum(pairs.values, pairs.residuals, pairs.converged, total, density,
                    operator.products)
