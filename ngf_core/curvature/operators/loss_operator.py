"""What the Hessian, the GGN and the Fisher matrices of a network have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator
from torch import Tensor, nn
from torch.nn import functional

from ngf_core.curvature.operators.alone import check_alone, check_statistics
from ngf_core.curvature.operators.chunk_graphs import ChunkGraphs, Product
from ngf_core.curvature.operators.data import Data, as_float, chunks
from ngf_core.curvature.operators.double_backward import differentiable_again
from ngf_core.curvature.operators.loss import (
    Loss,
    TargetsSeen,
    check_mean,
    check_targets,
    private_loss,
)
from ngf_core.curvature.operators.memory import MEMORY, GraphBytes, measure_graph
from ngf_core.curvature.operators.operator import check_count
from ngf_core.curvature.operators.parameters import choose
from ngf_core.errors import ConfigError, NGFError
from ngf_core.models.answers import plain_copy, with_logits
from ngf_core.models.layout import layout

LARGEST_DENSE = 5000

# Samples per graph. A Hessian product with the mini network on 200 images took 0.43 s in graphs of
# 20, 0.37 s of 50 and 0.36 s of 100 or 200, which need more memory at a time. A GPU needs more work
# per call.
CHUNK = {"cpu": 50, "cuda": 500}

# Samples whose graph is measured before the others are planned.
PROBE = 8


class LossOperator(ABC):
    """A symmetric matrix (P, P) of the mean loss L(w) = (1/n) sum_i l(f_w(x_i), y_i).

    w is every trainable parameter of `model`, or those named in `parameters` (trainable or not, in
    the model's own order; see `layer_parameters`), flattened and joined: P numbers.

    The operator works on a private copy of the model, cast to `dtype` and in evaluation mode: the
    caller's weights, gradients, buffers, mode and requires_grad stay as they are, and later changes
    to them are not seen. It runs on the model's device. Of a compiled model the copy is of what
    torch.compile has wrapped, and the parameters have the names there. Of an answer that is no
    tensor the logits are taken, where they are unambiguous (`ngf_core.models.answers.logits_of`).

    data: (inputs, targets), or a list, DataLoader or other iterable of such batches, which is read
        once at the start and, where not all graphs fit, once per product; it must give the same
        batches in the same order each time. A batch may be a mapping or a longer tuple in which
        inputs and labels are unambiguous (`ngf_core.data.examples.pair`). inputs: (n, ...) float,
        uint8 images, which count as x / 255, or int64 indices.
    loss: (outputs, targets) -> the mean over the samples, a function or module. Each sample weighs
        1/n, however uneven the batches.
    memory: bytes that autograd graphs may keep. The graphs of the first samples are kept from one
        product to the next, as far as they fit; those of the others are rebuilt each time. The
        product is the same either way. Model, data, vectors and the temporary memory of one
        backward pass come on top.
    batch_size: samples per graph; fewer where `memory` requires it.

    Attributes: size P, dtype, device, shapes (name -> shape), samples n, products (made so far),
    graph (the bytes one keeps), cached_samples, recomputed_samples, cached_bytes.
    Raises ConfigError for arguments that do not fit, NGFError if the loss is not finite.
    """

    def __init__(self, model: nn.Module, data: Data, *, loss: Loss = functional.cross_entropy,
                 parameters: Sequence[str] | None = None, dtype: torch.dtype = torch.float32,
                 memory: float = MEMORY, batch_size: int | None = None) -> None:
        if dtype not in (torch.float32, torch.float64):
            raise ConfigError("dtype", f"{dtype} is too coarse for curvature or not a float",
                              "Use torch.float32 or torch.float64.")
        if batch_size is not None:
            check_count("batch_size", batch_size, 1)
        self._check_loss(loss)
        with torch.inference_mode(False):
            private = _private(model)
            self._order = layout(private, next(
                (weight.device for weight in private.parameters()), torch.device("cpu")))
            self._model = private.to(  # type: ignore[call-overload]  # torch's types miss it
                dtype, memory_format=self._order).eval()
            self._model.zero_grad(set_to_none=True)
            chosen = choose(self._model, parameters)
        self._parameters = list(chosen.values())
        self.shapes = {name: p.shape for name, p in chosen.items()}
        self.size = sum(shape.numel() for shape in self.shapes.values())
        self.dtype, self.device = dtype, self._parameters[0].device
        self._loss = private_loss(loss, dtype, self.device)
        self.products = 0
        self.graph, outputs = self._probed(data)
        wanted = batch_size or CHUNK.get(self.device.type, CHUNK["cpu"])
        seen = TargetsSeen()
        self._graphs = ChunkGraphs(self._build, data, self.graph, memory, wanted, seen.see)
        check_mean(self._loss, outputs, self._targets(seen.kept))
        self.cached_bytes = self._graphs.cached_bytes
        self.cached_samples = self._graphs.cached_samples
        self.recomputed_samples = self._graphs.recomputed_samples
        self.samples = self.cached_samples + self.recomputed_samples

    # Whether a product needs the second derivatives of the network.
    _derived_twice = False

    def _check_loss(self, loss: Loss) -> None:  # noqa: B027 (most matrices take any loss)
        """Raise ConfigError for a loss that has no such matrix."""

    @abstractmethod
    def _product(self, outputs: Tensor, targets: Tensor) -> Product:
        """The product with the samples' sum (not mean) of matrices, through the graph of outputs.

        outputs: the network's, with their graph. targets: the samples' own.
        """

    def matvec(self, v: Tensor) -> Tensor:
        """The matrix times `v`, shape (P,), in the operator's dtype, on the device of `v`."""
        if v.shape != (self.size,):
            raise ConfigError("v", f"its shape is {tuple(v.shape)}",
                              f"Give a vector of shape ({self.size},).")
        with torch.inference_mode(False):
            wide = v.detach().to(self.device, self.dtype, copy=True)
            total = torch.zeros_like(wide)
            parts, sums = list(self.unflatten(wide).values()), list(self.unflatten(total).values())
            for product in self._graphs.products(self._build):
                for whole, part in zip(sums, product(parts), strict=True):
                    if part is not None:
                        whole += part
                # Else its graph would still be in memory while the next is built.
                del product
        self.products += 1
        return total.div_(self.samples).to(v.device)

    def __matmul__(self, v: Tensor) -> Tensor:
        return self.matvec(v)

    def unflatten(self, v: Tensor) -> dict[str, Tensor]:
        """`v` (P,) as views of it, name -> tensor of the parameter's shape."""
        pieces = v.split([shape.numel() for shape in self.shapes.values()])
        return {name: piece.view(shape)
                for (name, shape), piece in zip(self.shapes.items(), pieces, strict=True)}

    def dense(self) -> Tensor:
        """The whole matrix (P, P), by P products. ConfigError if P exceeds LARGEST_DENSE."""
        if self.size > LARGEST_DENSE:
            raise ConfigError("parameters", f"a dense matrix of {self.size} parameters is too "
                              f"large", f"Name some with at most {LARGEST_DENSE} numbers in all.")
        basis = torch.eye(self.size, dtype=self.dtype, device=self.device)
        return torch.stack([self.matvec(row) for row in basis], 1)

    def scipy(self) -> LinearOperator:
        """The operator for scipy.sparse.linalg, for instance `eigsh`."""
        def product(v: NDArray[Any]) -> NDArray[Any]:
            return self.matvec(torch.tensor(v.reshape(-1))).numpy()

        return LinearOperator((self.size, self.size), matvec=product, rmatvec=product,
                              dtype=str(self.dtype).removeprefix("torch."))

    def _probed(self, data: Data) -> tuple[GraphBytes, Tensor]:
        """The bytes of a graph, from the first few samples, after checking that they can be used;
        and their outputs (n, ...).
        """
        probe = next(chunks(data, PROBE), None)
        if probe is None:
            raise ConfigError("inputs", "there are none", "Give at least one sample.")
        x, y = probe
        check_statistics(self._model)
        with self._differentiable():
            outputs = self._outputs(x, y)
            check_alone(lambda some: self._outputs(x[some], y[some]), outputs)
        outputs = outputs.detach()
        check_mean(self._loss, outputs, self._targets(y))
        graph = measure_graph(lambda n: self._build(x[:n], y[:n]), len(x),
                              self._model.parameters())
        return graph, outputs

    def _build(self, inputs: Tensor, targets: Tensor) -> Product:
        with self._differentiable():
            outputs = self._outputs(inputs, targets)
            if not outputs.requires_grad:
                return lambda v: [None] * len(v)
            return self._product(outputs, self._targets(targets))

    def _outputs(self, inputs: Tensor, targets: Tensor) -> Tensor:
        x = as_float(inputs, self.dtype, self.device)
        if x.ndim == 4:
            x = x.contiguous(memory_format=self._order)
        outputs = with_logits(self._model(x))
        if not isinstance(outputs, Tensor) or outputs.ndim == 0 or len(outputs) != len(inputs):
            raise ConfigError("model", "it does not return a tensor with one row per input",
                              "Wrap it in a module that does.")
        targets = self._targets(targets)
        check_targets(self._loss, outputs, targets)
        with torch.no_grad():
            finite = self._loss(outputs, targets).isfinite().all()
        if not finite:
            raise NGFError("The loss of this model on these inputs is not finite, so it has no "
                           "curvature. Check the weights and the inputs for inf and nan.")
        return outputs

    def _targets(self, targets: Tensor) -> Tensor:
        wanted = self.dtype if targets.is_floating_point() else torch.int64
        return targets.to(self.device, wanted)

    @contextmanager
    def _differentiable(self) -> Iterator[None]:
        """Gradients on, whatever the caller's mode, and layers with cheap second derivatives."""
        with (torch.inference_mode(False), torch.enable_grad(),
              differentiable_again(self._derived_twice)):
            yield


def _private(model: nn.Module) -> nn.Module:
    try:
        return plain_copy(model)
    except RuntimeError as error:
        raise NGFError("This model cannot be copied, because it holds a tensor that was computed "
                       "from others, as old-style weight normalisation leaves behind. Detach such "
                       "tensors, or use torch.nn.utils.parametrizations.") from error
