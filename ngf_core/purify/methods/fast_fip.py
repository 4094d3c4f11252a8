"""Fast FIP: FIP on the singular values alone (Karim et al., see `ngf_core.purify.methods.fip`).

    W = U diag(sigma) V^T   of each convolution (out, in k k) and linear layer
    W_delta = U diag(relu(sigma + delta)) V^T,   delta = 0 at the start

U, sigma, V and everything else (biases, normalisations) stay; delta is tuned by FIP's loss, its
Fisher terms with respect to delta. A mini PreAct-ResNet has 298 such numbers, not 78 thousand.
Published: rate 0.005, momentum 0.95. The released code hands all parameters to its optimiser, not
delta alone, and its "Fisher" terms are none (see FIP); neither is repeated.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ngf_core.config import PurifyConfig
from ngf_core.models.build import tunable_layers
from ngf_core.options import option
from ngf_core.purify.batches import CleanBatches, CleanSet
from ngf_core.purify.descent import prepare
from ngf_core.purify.methods.fip import FIP, smoothed
from ngf_core.purify.parameters import own_parameters
from ngf_core.purify.step import Step, Stopwatch


@dataclass(frozen=True)
class FastFIP:
    """Fast FIP's own parameters: FIP's, and the rate of the singular values."""

    eta_f: float = option(0.03, "weight of Tr F in units of the received trace; adapted, published "
                          "0.5 without units and with a term that is no trace", 0.0, 1e3)
    eta_r: float = option(5.0, "weight of the Fisher-weighted pull to the received singular values",
                          0.0, 1e4)
    every: int = option(5, "updates from one with the trace term to the next", 1, 1000)
    lr: float = option(0.005, "learning rate of the singular values (momentum 0.95, cosine)",
                       1e-6, 10.0)


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


def fast_fip(model: nn.Module, clean: CleanSet, config: PurifyConfig) -> Iterator[Step]:
    """Tune all singular values; Diverged where the clean loss is no longer finite."""
    own = own_parameters("fast_fip", FastFIP, config)
    weights = {f"{name}.weight": layer.weight for name, layer in tunable_layers(model).items()}
    batches = CleanBatches(clean, config, next(iter(weights.values())).device)
    watch = Stopwatch()
    with watch:
        shifts = {name: SpectralShift.of(weight) for name, weight in weights.items()}
    tuned = [shift.delta for shift in shifts.values()]
    prepare(model, tuned, batches, watch)

    def run(x: Tensor) -> Tensor:
        return functional_call(model, {name: s.weight() for name, s in shifts.items()}, (x,))

    def write() -> None:
        with torch.no_grad():
            for name, shift in shifts.items():
                weights[name].copy_(shift.weight())

    terms = FIP(own.eta_f, own.eta_r, own.every)
    yield from smoothed("Fast FIP", tuned, run, batches, terms, watch, lr=own.lr, written=write)
