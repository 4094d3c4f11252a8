"""pyhessian 0.1 (Yao et al. 2020, arXiv 1912.07145) as a second opinion on the same numbers.

What the adapter repairs, and why:
- `hessian(...)` adds its gradient to whatever `.grad` holds, so a second one made on the same model
  doubles every result, and one made after training mixes in a stale gradient; it forces evaluation
  mode and leaves it; and `.grad` keeps a cycle of graphs alive. Here each call has its own copy of
  the model, without gradients, cleared afterwards.
- `cuda=True` is the default; here it is False.
- its probes come from the global random state; here from a seed, and that state is put back.
- `trace` stops when two running means happen to agree (with a negative trace: always after two
  probes) and has no error bar; here the number of probes is fixed and the standard error is ours.
What it cannot repair: `eigenvalues` is a power iteration, so it finds the largest modulus, and it
stops on a change of the Rayleigh quotient, not on a residual. `density` needs `torch.eig`, which
torch no longer has.
"""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from pyhessian import hessian
from torch import Tensor, nn

from ngf_core.curvature.operator import check_count
from ngf_core.curvature.trace import Estimate


def pyhessian_eigenvalues(model: nn.Module, inputs: Tensor, targets: Tensor, k: int, seed: int,
                          tolerance: float = 1e-3, max_steps: int = 100) -> Tensor:
    """The k eigenvalues of largest modulus of the mean cross-entropy's Hessian, (k,) float64.

    inputs: float, in the model's own dtype. `tolerance` is pyhessian's, on successive values.
    """
    check_count("k", k, 1)
    with _pyhessian(model, inputs, targets, seed) as theirs:
        values, _ = theirs.eigenvalues(maxIter=max_steps, tol=tolerance, top_n=k)
    return torch.tensor(values, dtype=torch.float64)


def pyhessian_trace(model: nn.Module, inputs: Tensor, targets: Tensor, probes: int,
                    seed: int) -> Estimate:
    """The trace of the same Hessian by exactly `probes` plain Hutchinson probes."""
    check_count("probes", probes, 2)
    with _pyhessian(model, inputs, targets, seed) as theirs:
        # No change is below minus infinity, so the stopping rule never fires.
        samples = torch.tensor(theirs.trace(maxIter=probes, tol=-math.inf), dtype=torch.float64)
    spread = samples.std().item() / math.sqrt(len(samples))
    return Estimate(samples.mean().item(), spread, len(samples))


@contextmanager
def _pyhessian(model: nn.Module, inputs: Tensor, targets: Tensor, seed: int) -> Iterator[hessian]:
    private = copy.deepcopy(model).eval()
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        try:
            yield hessian(private, nn.CrossEntropyLoss(), data=(inputs, targets), cuda=False)
        finally:
            private.zero_grad(set_to_none=True)
