"""Sharpness of a model while it is tuned, a few products at a time.

The Hessian is that of the whole network on a few fixed clean images. Its leading eigenvector moves
little between two points, so Lanczos starts from the last one found, with some of the gradient, and
needs few products; the Ritz residual shows how far off it may be. The trace of the true Fisher
matrix,

    Tr F = (1/n) sum_i tr J_i^T S_i J_i = (1/n) E || sum_i J_i^T A_i e_i ||^2,

with S = diag p - p p^T = A A^T, A e = sqrt(p) e - p (sqrt(p) . e) and independent signs e, needs
one backward pass per probe. A probe here is a block of a few images instead of all of them: that
costs the same and is less noisy, because the products between images of different blocks, which
only add noise, are never formed. Images and signs stay the same from point to point, so that the
curve is as smooth as the model's path.
"""

import copy
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional

from ngf_core.curvature.operators.data import as_float
from ngf_core.curvature.operators.hessian import HessianOperator
from ngf_core.curvature.operators.operator import check_count
from ngf_core.curvature.sharpness.reading import standard_error
from ngf_core.curvature.spectral.lanczos import lanczos, ritz, ritz_values

# Lanczos stops at this relative Ritz residual, between a least and a greatest number of products.
# The value is far better than its residual (its error is of second order): along the path of a
# purified mini network residuals of 4 % came with errors of 0.4 %.
TOLERANCE = 0.05
FIRST, LATER = (10, 20), (3, 4)
# How much of the loss's gradient is mixed into the start: it lies mostly in the leading eigenspace
# (Gur-Ari, Roberts, Dyer 2018), so that an eigenvector that has overtaken the last one is found.
GRADIENT = 0.3
BLOCK = 5


@dataclass(frozen=True)
class SharpnessPoint:
    """lambda_max with its Ritz residual and Tr(F) with its standard error over blocks of images.

    vector: (P,) the eigenvector found, to start the next point from. products: spent on it.
    """

    lambda_max: float
    lambda_error: float
    fisher_trace: float
    fisher_trace_error: float
    vector: Tensor
    products: int

    def metrics(self) -> dict[str, float]:
        """The four numbers under their names in a run's curves."""
        return {name: getattr(self, name) for name in METRICS}


METRICS = ("lambda_max", "lambda_error", "fisher_trace", "fisher_trace_error")


def sharpness_point(model: nn.Module, inputs: Tensor, targets: Tensor,
                    last: SharpnessPoint | None = None, seed: int = 0) -> SharpnessPoint:
    """The sharpness of `model` now, on `inputs` (n, ...) and `targets` (n,), in evaluation mode.

    last: the point to start from; without one the start is random and takes FIRST products, else
    LATER (least, most). Lanczos stops between the two where the residual is under TOLERANCE of the
    value. The model is not changed. Raises NGFError where its loss is not finite.
    """
    operator = HessianOperator(model, (inputs, targets),
                               parameters=[name for name, _ in model.named_parameters()])
    least, most = FIRST if last is None else LATER
    start = None
    if last is not None:
        gradient = _gradient(model, inputs, targets)
        start = last.vector + GRADIENT * gradient / gradient.norm().clamp(min=1e-30)

    def settled(alphas: Tensor, betas: Tensor) -> bool:
        values, residuals = ritz_values(alphas, betas)
        return len(alphas) >= least and bool(residuals[0] <= TOLERANCE * values[0].abs())

    found = ritz(lanczos(operator.matvec, operator.size, most, start=start,
                         generator=torch.Generator().manual_seed(seed), dtype=operator.dtype,
                         device=operator.device, stop=settled))
    trace, error = fisher_trace(model, inputs, seed)
    return SharpnessPoint(float(found.values[0]), float(found.residuals[0]), trace, error,
                found.vectors(1)[0], operator.products)


def _gradient(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """dL/dw of the mean cross-entropy in all parameters, (P,)."""
    model = copy.deepcopy(model).eval().requires_grad_(True)
    weights = list(model.parameters())
    with torch.inference_mode(False), torch.enable_grad():
        logits = model(as_float(inputs, weights[0].dtype, weights[0].device))
        loss = functional.cross_entropy(logits, targets.to(logits.device))
        parts = torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)
    return torch.cat([g.reshape(-1) for g in parts])


def fisher_trace(model: nn.Module, inputs: Tensor, seed: int = 0,
                 block: int = BLOCK) -> tuple[float, float]:
    """Tr(F) of the whole network on `inputs` (n, ...) and its standard error over the blocks.

    One block of images, one probe, one backward pass. The error covers both probes and images, as
    each block is an independent estimate on images of its own.
    """
    check_count("block", block, 1)
    model = copy.deepcopy(model).eval().requires_grad_(True)
    weights = list(model.parameters())
    generator = torch.Generator().manual_seed(seed)
    estimates, sizes = [], []
    for x in inputs.split(block):
        with torch.inference_mode(False), torch.enable_grad():
            logits = model(as_float(x, weights[0].dtype, weights[0].device))
            p = logits.detach().softmax(1)
            signs = torch.randint(0, 2, p.shape, generator=generator).to(p) * 2 - 1
            root = p.sqrt()
            pull = root * signs - p * (root * signs).sum(1, keepdim=True)
            parts = torch.autograd.grad(logits, weights, pull, allow_unused=True)
        squares = ((g.double() ** 2).sum() for g in parts if g is not None)
        estimates.append(reduce(torch.add, squares) / len(x))
        sizes.append(len(x))
    each, share = torch.stack(estimates), torch.tensor(sizes).to(estimates[0])
    return float((each * share).sum() / share.sum()), standard_error(each)
