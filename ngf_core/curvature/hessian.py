"""Products with the Hessian of the mean cross-entropy."""

import copy
from collections.abc import Sequence

import torch
from scipy.sparse.linalg import LinearOperator
from torch import Tensor, nn
from torch.nn import functional

from ngf_core.curvature.operator import check_count
from ngf_core.errors import ConfigError, NGFError

LARGEST_DENSE = 5000

# Samples per graph: larger graphs fall out of the processor's cache. A product with the mini
# network on 300 images took 1.18 s in one graph, 1.01 s in graphs of 50 and 1.07 s in graphs of 20.
CHUNK = 50


class HessianOperator:
    """H = d^2 L / dw^2 (P, P) of L(w) = (1/n) sum_i CE(f_w(x_i), y_i), in evaluation mode.

    w is every trainable parameter of `model`, or those named in `parameters` (trainable or not,
    in the model's own order), flattened and joined: P numbers.

    The operator works on a private copy of the model, cast to `dtype`: the caller's weights,
    gradients, mode and requires_grad stay as they are, and later changes to them are not seen.
    The graph of the gradient is built once and kept, so that a product is one backward pass
    through it (Pearlmutter, Neural Computation 6, 1994); its memory grows with n, however the
    samples are batched. Products run on the model's device.

    inputs: (n, ...) float, or uint8 images, which count as x / 255. targets: (n,) labels.
    batch_size: samples per graph; each sample weighs 1/n in any case.
    Raises ConfigError for inputs, labels or names that do not fit, NGFError if the loss is not
    finite.
    """

    def __init__(self, model: nn.Module, inputs: Tensor, targets: Tensor,
                 parameters: Sequence[str] | None = None, dtype: torch.dtype = torch.float32,
                 batch_size: int | None = None) -> None:
        _check(inputs, targets, dtype)
        n, batch_size = len(inputs), CHUNK if batch_size is None else batch_size
        check_count("batch_size", batch_size, 1)
        model = copy.deepcopy(model).to(dtype).eval()
        self.dtype, self.products = dtype, 0
        self._parameters = _chosen(model, parameters)
        self.size = sum(p.numel() for p in self._parameters)
        self._gradients = [
            _gradient(model, _as_float(x, dtype), y, n, self._parameters)
            for x, y in zip(inputs.split(batch_size), targets.split(batch_size), strict=True)]

    def matvec(self, v: Tensor) -> Tensor:
        """H v, shape (P,), in the operator's dtype, on the device of `v`."""
        if v.shape != (self.size,):
            raise ConfigError("v", f"its shape is {tuple(v.shape)}",
                              f"Give a vector of shape ({self.size},).")
        wide = v.to(self._parameters[0].device, self.dtype)
        total = torch.zeros_like(wide)
        for gradient in self._gradients:
            # Where no chosen parameter enters the loss twice there is no graph: zero curvature.
            if gradient.requires_grad:
                parts = torch.autograd.grad(gradient, self._parameters, wide, retain_graph=True,
                                            allow_unused=True, materialize_grads=True)
                total += torch.cat([part.reshape(-1) for part in parts])
        self.products += 1
        return total.to(v.device)

    def __matmul__(self, v: Tensor) -> Tensor:
        return self.matvec(v)

    def dense(self) -> Tensor:
        """The whole matrix (P, P), by P products. ConfigError if P exceeds LARGEST_DENSE."""
        if self.size > LARGEST_DENSE:
            raise ConfigError("parameters", f"a dense Hessian of {self.size} parameters is too "
                              f"large", f"Name some with at most {LARGEST_DENSE} numbers in all.")
        return torch.stack([self.matvec(row) for row in torch.eye(self.size, dtype=self.dtype)], 1)

    def scipy(self) -> LinearOperator:
        """The operator for scipy.sparse.linalg, for instance `eigsh`."""
        def product(v):
            return self.matvec(torch.tensor(v.reshape(-1))).numpy()

        return LinearOperator((self.size, self.size), matvec=product, rmatvec=product,
                              dtype=str(self.dtype).removeprefix("torch."))


def _check(inputs: Tensor, targets: Tensor, dtype: torch.dtype) -> None:
    if dtype not in (torch.float32, torch.float64):
        raise ConfigError("dtype", f"{dtype} is too coarse for curvature or no float",
                          "Use torch.float32 or torch.float64.")
    if inputs.dtype != torch.uint8 and not inputs.is_floating_point():
        raise ConfigError("inputs", f"their type is {inputs.dtype}",
                          "Give uint8 images or floats.")
    if len(inputs) == 0:
        raise ConfigError("inputs", "there are none", "Give at least one sample.")
    if targets.ndim != 1 or targets.is_floating_point() or len(targets) != len(inputs):
        raise ConfigError("targets", f"{targets.dtype} of shape {tuple(targets.shape)} does not "
                          f"label {len(inputs)} inputs",
                          f"Give one whole number each, shape ({len(inputs)},).")


def _chosen(model: nn.Module, names: Sequence[str] | None) -> list[nn.Parameter]:
    """The chosen parameters; afterwards they, and no others, require gradients."""
    named = dict(model.named_parameters())
    if names is None:
        names = [name for name, p in named.items() if p.requires_grad]
    if not names:
        raise ConfigError("parameters", "none is chosen, or all are frozen",
                          "Name at least one parameter or unfreeze some.")
    for name in names:
        if name not in named:
            raise ConfigError("parameters", f"this network has no parameter {name!r}",
                              f"Choose among {', '.join(named)}.")
    for name, p in named.items():
        p.requires_grad_(name in names)
    return [p for p in named.values() if p.requires_grad]


def _as_float(x: Tensor, dtype: torch.dtype) -> Tensor:
    return x.to(dtype) / 255 if x.dtype == torch.uint8 else x.to(dtype)


def _gradient(model: nn.Module, x: Tensor, y: Tensor, n: int,
              parameters: list[nn.Parameter]) -> Tensor:
    """The batch's share of dL/dw, shape (P,), with its graph."""
    where = parameters[0].device
    with torch.enable_grad():
        logits, y = model(x.to(where)), y.to(where)
        if y.min() < 0 or y.max() >= logits.shape[1]:
            raise ConfigError("targets", f"labels run from {y.min()} to {y.max()}",
                              f"This network knows the labels 0 to {logits.shape[1] - 1}.")
        loss = functional.cross_entropy(logits, y.long(), reduction="sum") / n
        if not loss.isfinite():
            raise NGFError("The loss of this model on these inputs is not finite, so it has no "
                           "Hessian. Check the weights and the inputs for inf and nan.")
        if not loss.requires_grad:
            return loss.new_zeros(sum(p.numel() for p in parameters))
        parts = torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True,
                                    materialize_grads=True)
        return torch.cat([part.reshape(-1) for part in parts])
