"""Fast FIP: FIP on the singular values alone (Karim et al., see `ngf_core.purify.methods.fip`).

    W = U diag(sigma) V^T   of each convolution (out, in k k) and linear layer
    W_delta = U diag(relu(sigma + delta)) V^T,   delta = 0 at the start

U, sigma, V and everything else (biases, normalisations) stay; delta is tuned by FIP's loss, its
Fisher terms with respect to delta. A mini PreAct-ResNet has 298 such numbers, not 78 thousand.
Published: rate 0.005, momentum 0.95. The released code hands all parameters to its optimiser, not
delta alone, and its "Fisher" terms are not Fisher terms (see FIP); neither is reproduced.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ngf_core.models.build import tunable_layers
from ngf_core.purify.batches import CleanBatches, CleanSet
from ngf_core.purify.budget import Budget
from ngf_core.purify.descent import prepare
from ngf_core.purify.methods.fip import smoothed
from ngf_core.purify.settings.fast_fip import FastFIP
from ngf_core.purify.settings.fip import FIP
from ngf_core.purify.step import Step, Stopwatch


@dataclass(frozen=True)
class SpectralShift:
    """One weight W as U diag(relu(sigma + delta)) V^T; `delta` (min(out, in k k),) is tuned."""

    left: Tensor
    values: Tensor
    right: Tensor
    shape: torch.Size
    delta: nn.Parameter

    @classmethod
    def of(cls, weight: Tensor) -> "SpectralShift":
        """That of `weight` (out, ...), with delta zero."""
        left, values, right = torch.linalg.svd(weight.detach().flatten(1), full_matrices=False)
        return cls(left, values, right, weight.shape, nn.Parameter(torch.zeros_like(values)))

    def weight(self) -> Tensor:
        """W_delta, with its graph to delta."""
        return (self.left * torch.relu(self.values + self.delta) @ self.right).view(self.shape)


def fast_fip(model: nn.Module, clean: CleanSet, own: FastFIP, budget: Budget) -> Iterator[Step]:
    """Tune all singular values; Diverged where the clean loss is no longer finite."""
    weights = {f"{name}.weight": layer.weight for name, layer in tunable_layers(model).items()}
    batches = CleanBatches(clean, budget, next(iter(weights.values())).device)
    watch = Stopwatch()
    with watch:
        shifts = {name: SpectralShift.of(weight) for name, weight in weights.items()}
    tuned = [shift.delta for shift in shifts.values()]
    prepare(model, tuned, batches, watch)

    def run(x: Tensor) -> Tensor:
        shifted = {name: s.weight() for name, s in shifts.items()}
        logits: Tensor = functional_call(model, shifted, (x,))
        return logits

    def write() -> None:
        with torch.no_grad():
            for name, shift in shifts.items():
                weights[name].copy_(shift.weight())

    terms = FIP(fisher=own.fisher, eta_f=own.eta_f, eta_r=own.eta_r, every=own.every)
    yield from smoothed("Fast FIP", tuned, run, batches, terms, watch, lr=own.lr, written=write)
