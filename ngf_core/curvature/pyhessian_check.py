"""pyhessian 0.1 (Yao et al. 2020, arXiv 1912.07145) as a second opinion on the same numbers.

What the adapter repairs, and why:
- `hessian(...)` adds its gradient to whatever `.grad` holds, so a second one made on the same model
  doubles every result, and one made after training mixes in a stale gradient; it sets evaluation
  mode and does not restore it; and `.grad` keeps a cycle of graphs in memory. Here each call has
  its own copy of the model, without gradients, cleared afterwards.
- `cuda=True` is the default; here it follows the model's device.
- its probes come from the global random state; here from a seed, and that state is restored.
- `trace` stops when two running means happen to agree (with a negative trace: always after two
  probes) and has no error bar; here the number of probes is fixed and the standard error is ours.
- `density` calls `torch.eig`, which torch no longer has; here `eigh` of its symmetric matrix, in
  the old layout, replaces it during the call.
- `eigenvalues` stops on a change of the Rayleigh quotient, which is no error bar; `leading` takes a
  fixed number of steps and computes the residual of what it returns.
What it cannot repair: `eigenvalues` is a power iteration, so it finds the largest modulus, not the
largest value.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from pyhessian import hessian
from pyhessian.utils import hessian_vector_product
from torch import Tensor, nn

from ngf_core.curvature.operators.memory import measure_graph
from ngf_core.curvature.operators.operator import check_count
from ngf_core.curvature.operators.parameters import choose
from ngf_core.curvature.spectral.deflated_trace import TraceEstimate, averaged
from ngf_core.curvature.spectral.measure_spectrum import Spectrum

# Their budget in a cross-check, fixed so that nothing stops by chance.
POWER_STEPS = 20
PROBES = 10
# Agreement of the two traces: the difference in standard errors of a difference.
LARGEST_Z = 3.0
# Relative error of an eigenvalue in float32.
ROUNDOFF = 1e-5


@dataclass(frozen=True)
class Agreement:
    """pyhessian's numbers beside ours, on the same model, samples and parameters.

    eigenvalue, residual: theirs, of largest modulus, and ||H v - eigenvalue v|| of their vector.
    ours, our_residual: our largest or smallest, whichever is nearer. trace, trace_error: theirs
    over `probes`. our_trace, our_trace_error. z: the traces' difference in standard errors of it.
    products: Hessian products that theirs took.
    """

    eigenvalue: float
    residual: float
    ours: float
    our_residual: float
    trace: float
    trace_error: float
    probes: int
    our_trace: float
    our_trace_error: float
    products: int

    @property
    def eigenvalue_agrees(self) -> bool:
        """Whether the two lie within the sum of their residuals: they may be one eigenvalue.

        Both products round, which a residual does not show: 1e-5 of the value is allowed for that.
        """
        allowed = self.residual + self.our_residual + ROUNDOFF * abs(self.ours)
        return abs(self.eigenvalue - self.ours) <= allowed

    @property
    def z(self) -> float:
        """(their trace - ours) / sqrt(their standard error^2 + ours^2)."""
        error = math.hypot(self.trace_error, self.our_trace_error)
        difference = self.trace - self.our_trace
        return difference / error if error else math.copysign(math.inf, difference or 0.0)

    @property
    def trace_agrees(self) -> bool:
        """Whether |z| is at most 3."""
        return self.trace == self.our_trace or abs(self.z) <= LARGEST_Z


def compare(spectrum: Spectrum, model: nn.Module, inputs: Tensor, targets: Tensor, seed: int,
            parameters: Sequence[str] | None = None, memory: float = math.inf) -> Agreement:
    """Measure the same mean cross-entropy's Hessian with pyhessian, at POWER_STEPS + 1 + PROBES
    products, and put it beside the spectrum, which must be of the same samples and parameters.

    memory: bytes that its graph may keep; where that of all samples is larger, it gets batches.
    """
    theirs, residual = leading(model, inputs, targets, POWER_STEPS, seed, parameters, memory)
    total = pyhessian_trace(model, inputs, targets, PROBES, seed + 1, parameters, memory)
    ours = [(spectrum.eigenvalues, spectrum.residuals),
            (spectrum.lowest, spectrum.lowest_residuals)]
    # Where both ends are of similar modulus, a power iteration may be converging to either.
    value, bound = min(((v[0].item(), r[0].item()) for v, r in ours if len(v)),
                       key=lambda pair: abs(pair[0] - theirs))
    return Agreement(theirs, residual, value, bound, total.value, total.standard_error,
                     total.probes, spectrum.trace.value, spectrum.trace.standard_error,
                     POWER_STEPS + 1 + PROBES)


def leading(model: nn.Module, inputs: Tensor, targets: Tensor, steps: int, seed: int,
            parameters: Sequence[str] | None = None,
            memory: float = math.inf) -> tuple[float, float]:
    """The eigenvalue of largest modulus after exactly `steps` power iterations, and its residual.

    Some eigenvalue lies within ||H v - lambda v|| of lambda; this costs one more product.
    """
    check_count("steps", steps, 2)
    with repaired(model, inputs, targets, seed, parameters, memory) as theirs:
        # No change is below minus infinity, so the stopping rule never fires.
        _, ((*v,),) = theirs.eigenvalues(maxIter=steps, tol=-math.inf, top_n=1)
        flat = torch.cat([part.reshape(-1) for part in v]).double()
        product = (theirs.dataloader_hv_product(v)[1] if theirs.full_dataset
                   else hessian_vector_product(theirs.gradsH, theirs.params, v))
        product = torch.cat([part.reshape(-1) for part in product]).double()
        # Their vector is not exactly of length 1, and their value is that of the step before.
        flat, product = flat / flat.norm(), product / flat.norm()
        value = flat @ product
        return value.item(), (product - value * flat).norm().item()


def pyhessian_eigenvalues(model: nn.Module, inputs: Tensor, targets: Tensor, k: int, seed: int,
                          tolerance: float = 1e-3, max_steps: int = 100) -> Tensor:
    """The k eigenvalues of largest modulus of the mean cross-entropy's Hessian, (k,) float64.

    inputs: float, in the model's own dtype. `tolerance` is pyhessian's, on successive values.
    """
    check_count("k", k, 1)
    with repaired(model, inputs, targets, seed) as theirs:
        values, _ = theirs.eigenvalues(maxIter=max_steps, tol=tolerance, top_n=k)
    return torch.tensor(values, dtype=torch.float64)


def pyhessian_trace(model: nn.Module, inputs: Tensor, targets: Tensor, probes: int, seed: int,
                    parameters: Sequence[str] | None = None,
                    memory: float = math.inf) -> TraceEstimate:
    """The trace of the same Hessian by exactly `probes` plain Hutchinson probes."""
    check_count("probes", probes, 2)
    with repaired(model, inputs, targets, seed, parameters, memory) as theirs:
        return averaged(theirs.trace(maxIter=probes, tol=-math.inf))


def pyhessian_density(model: nn.Module, inputs: Tensor, targets: Tensor, probes: int, steps: int,
                      seed: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights of `probes` Lanczos runs of `steps` steps, both (probes, steps) float64.

    No width, band or smoothing: `smoothed` in `density.py` makes curves of them.
    """
    check_count("probes", probes, 1)
    check_count("steps", steps, 2)
    with repaired(model, inputs, targets, seed) as theirs, old_eig():
        nodes, weights = theirs.density(iter=steps, n_v=probes)
    return (torch.tensor(nodes, dtype=torch.float64), torch.tensor(weights, dtype=torch.float64))


@contextmanager
def old_eig() -> Iterator[None]:
    """`torch.eig` for symmetric matrices, in its old layout: values (m, 2), vectors (m, m)."""
    def eig(matrix: Tensor, eigenvectors: bool = False) -> tuple[Tensor, Tensor]:
        values, vectors = torch.linalg.eigh(matrix)
        return torch.stack([values, torch.zeros_like(values)], 1), vectors

    before = torch.eig
    torch.eig = eig  # type: ignore[assignment]  # the old layout, as pyhessian reads it
    try:
        yield
    finally:
        torch.eig = before


@contextmanager
def repaired(model: nn.Module, inputs: Tensor, targets: Tensor, seed: int,
             parameters: Sequence[str] | None = None,
             memory: float = math.inf) -> Iterator[hessian]:
    """pyhessian's `hessian` of a copy of the model, its probes drawn from `seed`."""
    private = copy.deepcopy(model).eval()
    chosen = list(choose(private, parameters).values())
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(seed)
        at_once = _samples_at_once(private, chosen, inputs, targets, memory)
        data: dict[str, Any]
        if at_once >= len(inputs):
            data = {"data": (inputs, targets)}
        else:
            batches = zip(inputs.split(at_once), targets.split(at_once), strict=True)
            data = {"dataloader": list(batches)}
        try:
            yield hessian(private, nn.CrossEntropyLoss(), cuda=chosen[0].is_cuda, **data)
        finally:
            private.zero_grad(set_to_none=True)


def _samples_at_once(model: nn.Module, parameters: list[nn.Parameter], inputs: Tensor,
                     targets: Tensor, memory: float) -> int:
    """How many samples' graph of the gradient, as pyhessian builds it, keeps within `memory`."""
    if memory == math.inf:
        return len(inputs)

    def gradient(n: int) -> tuple[Tensor, ...]:
        loss = nn.functional.cross_entropy(model(inputs[:n]), targets[:n])
        return torch.autograd.grad(loss, parameters, create_graph=True)

    graph = measure_graph(gradient, min(4, len(inputs)), model.parameters())
    return graph.largest_chunk(memory, len(inputs))
