"""The arithmetic of a purification: float32 or float64, whatever the model is stored in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ngf_core.data.examples import Examples
from ngf_core.errors import ConfigError
from ngf_core.models.layout import in_safe_order
from ngf_core.purify.budget import Budget
from ngf_core.purify.step import Purifier, Step

# Their steps are too coarse for small updates, and many operations on a processor lack them.
COARSE = (torch.float16, torch.bfloat16)


def working_dtype(model: nn.Module) -> torch.dtype:
    """In which the model is tuned: float32 if a parameter is coarser, else its own."""
    dtypes = [p.dtype for p in model.parameters()]
    return torch.float32 if any(dtype in COARSE for dtype in dtypes) else dtypes[0]


@contextmanager
def not_coarse(model: nn.Module) -> Iterator[None]:
    """Parameters and buffers of a coarse dtype are float32 within, and again of it afterwards."""
    coarse = [(t, t.dtype) for t in (*model.parameters(), *model.buffers()) if t.dtype in COARSE]
    for tensor, _ in coarse:
        _cast(tensor, torch.float32)
    try:
        yield
    finally:
        for tensor, dtype in coarse:
            _cast(tensor, dtype)


def check_finite(model: nn.Module) -> None:
    """ConfigError that names the first parameter or running statistic with nan or inf in it."""
    statistics = [(name, buffer) for name, buffer in model.named_buffers()
                  if name.endswith(("running_mean", "running_var"))]
    for name, tensor in (*model.named_parameters(), *statistics):
        if not tensor.isfinite().all():
            raise ConfigError("model", f"the tensor {name} holds numbers that are not finite",
                              "Give a model whose training did not diverge.")


def sound(tune: Purifier) -> Purifier:
    """`tune` on finite weights, in float32 where the model or floats among the clean inputs are
    coarser; the model has its own dtype again once the iteration has ended."""
    def purify(model: nn.Module, clean: Any, own: Any, budget: Budget) -> Iterator[Step]:
        check_finite(model)
        if isinstance(clean, Examples) and clean.x.dtype in COARSE:
            clean = Examples(clean.x.float(), clean.y)
        with not_coarse(model), in_safe_order(model):
            yield from tune(model, clean, own, budget)

    return purify


def _cast(tensor: Tensor, dtype: torch.dtype) -> None:
    tensor.data = tensor.data.to(dtype)
    tensor.grad = None
