"""BatchNorm in training mode over the whole batch, of which each rank has a share.

With n numbers per channel in all, of mean m and variance v, x̂ = (x − m) / √(v + ε), y = w x̂ + b:

    dw = Σ dy x̂,   db = Σ dy,   dx = w / √(v + ε) · (dy − Σdy / n − x̂ Σ(dy x̂) / n)

where the sums of dx run over the numbers of all ranks, and those of dw and db over this rank's: the
gradients of weights are added up later, with those of all other layers.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from ngf_core.ranks.group import Ranks


class Statistics(NamedTuple):
    """How many numbers each channel has, (), and of each its mean and variance (division by n)."""

    n: Tensor
    mean: Tensor
    variance: Tensor


class WholeBatchStatistics(TorchFunctionMode):
    """Within it every BatchNorm in training mode takes the statistics of all ranks' shares."""

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self._ranks = ranks

    def __torch_function__(self, function: Callable[..., Any], types: Any,
                           args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        if function is functional.batch_norm:
            return self._batch_norm(*args, **(kwargs or {}))
        return function(*args, **(kwargs or {}))

    def _batch_norm(self, input: Tensor, running_mean: Tensor | None, running_var: Tensor | None,
                    weight: Tensor | None = None, bias: Tensor | None = None,
                    training: bool = False, momentum: float = 0.1, eps: float = 1e-5) -> Tensor:
        if not training:
            return functional.batch_norm(input, running_mean, running_var, weight, bias, training,
                                         momentum, eps)
        found = statistics(input, self._ranks)
        # Looking at n makes a GPU wait.
        if input.numel() <= input.shape[1] and found.n == 1:
            raise ValueError("BatchNorm needs more than one number per channel in training")
        if running_mean is not None and running_var is not None:
            with torch.no_grad():
                running_mean.lerp_(found.mean.to(running_mean), momentum)
                unbiased = found.variance * (found.n / (found.n - 1))
                running_var.lerp_(unbiased.to(running_var), momentum)
        y: Tensor = _Normalised.apply(  # type: ignore[no-untyped-call]  # torch's own
            input, weight, bias, found, eps, self._ranks)
        return y


@torch.no_grad()
def statistics(x: Tensor, ranks: Ranks) -> Statistics:
    """Those of x (n, C, ...) of all ranks. Means and squares of each rank are joined by the formula
    of Chan, Golub and LeVeque (1979), which does not subtract large numbers."""
    channels = x.shape[1]
    n = x.numel() // channels
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    if n:
        # Ten times as fast as torch.var_mean.
        mean, variance = torch.batch_norm_update_stats(wide, None, None, 0)
    else:
        variance = mean = wide.new_zeros(channels)
    own = torch.cat([wide.new_full((1,), n), mean, n * variance])
    each = ranks.join(own[None], ranks.count)
    counts, means, squares = each[:, :1], each[:, 1 : channels + 1], each[:, channels + 1 :]
    total = counts.sum()
    mean = (counts * means).sum(0) / total
    variance = (squares + counts * (means - mean).square()).sum(0) / total
    return Statistics(total, mean, variance)


class _Normalised(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None,
                found: Statistics, eps: float, ranks: Ranks) -> Tensor:
        ctx.eps, ctx.ranks = eps, ranks
        ctx.save_for_backward(x, weight, *found)
        y: Tensor = torch.ops.aten.native_batch_norm(x, weight, bias, found.mean, found.variance,
                                                     False, 0, eps)[0]
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, n, mean, variance = ctx.saved_tensors
        scale = torch.ones_like(mean) if weight is None else weight.to(mean)
        # As if mean and variance were constants: dy w / √(v + ε), Σ dy x̂ and Σ dy.
        # (torch's kernel divides by the number of images.)
        dx, dw, db = torch.ops.aten.native_batch_norm_backward(
            dy, x, scale, mean, variance, None, None, False, ctx.eps, [True, True, True]
        ) if len(x) else (dy, torch.zeros_like(scale), torch.zeros_like(scale))
        along, over = ctx.ranks.sum(torch.stack([dw, db])) / n
        inverse = (variance + ctx.eps).rsqrt()
        slope = scale * inverse.square() * along
        shift = scale * inverse * over - slope * mean
        channel = [1, -1] + [1] * (x.ndim - 2)
        dx = dx - torch.addcmul(shift.view(channel), slope.view(channel), x)
        return (dx.to(x.dtype), *((None, None) if weight is None else (dw, db)), None, None, None)
