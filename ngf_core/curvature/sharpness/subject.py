"""One model and the images on which its sharpness is read: what every measure needs of them."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp, vmap
from torch.nn import functional

from ngf_core.curvature.operators.attention import attention_written_out
from ngf_core.curvature.operators.data import Data, as_float, chunks, fingerprint
from ngf_core.curvature.operators.hessian import HessianOperator
from ngf_core.curvature.operators.loss import Loss, private_loss
from ngf_core.curvature.operators.memory import MEMORY
from ngf_core.curvature.operators.parameters import choose
from ngf_core.curvature.sharpness.forward_twice import ForwardTwice
from ngf_core.curvature.spectral.eigenvalues import Eigenpairs, top_eigenvalues
from ngf_core.errors import ConfigError, NGFError
from ngf_core.models.answers import plain_copy, with_logits

# Eigenpairs read off one Krylov run: lambda_1/lambda_5 and the trace's deflation need five.
PAIRS = 5
CHUNK = 50
Layer = nn.Linear | nn.modules.conv._ConvNd


class Subject:
    """Loss, slopes and curvatures along directions in weight space, image by image.

    Model, data, loss, parameters, dtype and memory are those of `HessianOperator`; the model is
    copied and never changed. Derivatives along a direction are taken forward (twice forward for
    curvature), so they cost one pass without a graph and are found for each image separately.

    pairs: leading eigenpairs of the Hessian, at least five, where they are known already.
    on_pass: called after every pass over the images. spent: passes so far, by kind.
    """

    def __init__(self, model: nn.Module, data: Data, *, loss: Loss = functional.cross_entropy,
                 parameters: Sequence[str] | None = None, dtype: torch.dtype = torch.float32,
                 memory: float = MEMORY, batch_size: int = CHUNK, seed: int = 0,
                 pairs: Eigenpairs | None = None,
                 on_pass: Callable[[], object] | None = None) -> None:
        self.dtype, self.data, self.seed = dtype, data, seed
        self.model = plain_copy(model).to(dtype).eval()
        self.model.register_forward_hook(lambda _, args, answer: with_logits(answer))
        chosen = choose(self.model, parameters)
        self.shapes = {name: p.shape for name, p in chosen.items()}
        self.weights = torch.cat([p.detach().reshape(-1) for p in chosen.values()])
        self.size, self.device = len(self.weights), self.weights.device
        self.model.requires_grad_(False)
        self.spent: Counter[str] = Counter()
        self._loss = private_loss(loss, dtype, self.device)
        self._hessian_of: Callable[[], HessianOperator] = lambda: HessianOperator(
            model, data, loss=loss, parameters=list(self.shapes), dtype=dtype, memory=memory,
            batch_size=batch_size)
        self._batch_size, self._pairs = batch_size, pairs
        self._on_pass = on_pass or (lambda: None)
        self._shares: dict[int, Tensor] = {}
        self._order: list[str] | None = None

    @property
    def samples(self) -> int:
        """n."""
        return len(self.base_losses)

    @cached_property
    def base_losses(self) -> Tensor:
        """The loss of each image at the weights, (n,) float64."""
        return self.losses(self.weights)

    def generator(self) -> torch.Generator:
        """A fresh generator from the seed: two subjects of one seed draw the same probes."""
        return torch.Generator().manual_seed(self.seed)

    def matvec(self, v: Tensor) -> Tensor:
        """The Hessian times `v` (P,)."""
        product = self._hessian.matvec(v)
        self._count("Hessian products")
        return product

    def pairs(self, k: int = PAIRS) -> Eigenpairs:
        """At least k leading eigenpairs of the Hessian, or all where P is smaller."""
        k = min(k, self.size)
        if self._pairs is None or len(self._pairs.values) < k:
            self._pairs = top_eigenvalues(self, max(k, min(PAIRS, self.size)),
                                          generator=self.generator(), check=False)
        return self._pairs

    def pair_shares(self, rank: int) -> Tensor:
        """v^T H_i v of each image (n,) for the eigenvector of that rank, from 0."""
        if rank not in self._shares:
            self._shares[rank] = self.curvatures(self.pairs(rank + 1).vectors[rank])
        return self._shares[rank]

    def losses(self, weights: Tensor) -> Tensor:
        """l_i at `weights` (P,), shape (n,) float64."""
        with torch.no_grad(), self._mathematical():
            parts = [self._each(self._outputs(weights, x), y) for x, y in self._batches()]
        self._count("forward passes")
        return torch.cat(parts).double()

    def gradient(self, weights: Tensor) -> Tensor:
        """dL/dw of the mean loss at `weights` (P,)."""
        total, n = torch.zeros_like(self.weights), 0
        with torch.inference_mode(False), torch.enable_grad(), self._mathematical():
            for x, y in self._batches():
                at = weights.detach().clone().requires_grad_(True)
                total += torch.autograd.grad(self._each(self._outputs(at, x), y).sum(), at)[0]
                n += len(y)
        self._count("gradients")
        return total / n

    def slopes(self, direction: Tensor, weights: Tensor | None = None) -> Tensor:
        """d/dt l_i(w + t d) at 0, (n,) float64."""
        def slope(x: Tensor, y: Tensor, w: Tensor, d: Tensor) -> Tensor:
            return _derivative(lambda at: self._each(self._outputs(at, x), y), w, d)

        return self._along(slope, direction, weights)

    def curvatures(self, direction: Tensor) -> Tensor:
        """d^T H_i d, the second derivatives of l_i(w + t d) at 0, (n,) float64."""
        def curvature(x: Tensor, y: Tensor, w: Tensor, d: Tensor) -> Tensor:
            def slope(at: Tensor) -> Tensor:
                return _derivative(lambda at: self._each(self._outputs(at, x), y), at, d)

            return _derivative(slope, w, d)

        return self._along(curvature, direction)

    def fisher_forms(self, direction: Tensor) -> Tensor:
        """d^T J_i^T (d^2 l_i / df^2) J_i d, (n,) float64: d^T F_i d for cross-entropy."""
        def form(x: Tensor, y: Tensor, w: Tensor, d: Tensor) -> Tensor:
            outputs, moved = _with_derivative(lambda at: self._outputs(at, x), w, d)

            def slope(z: Tensor) -> Tensor:
                return _derivative(lambda z: self._each(z, y), z, moved)

            return _derivative(slope, outputs, moved)

        return self._along(form, direction)

    def unflatten(self, v: Tensor) -> dict[str, Tensor]:
        """`v` (P,) as name -> tensor of the parameter's shape."""
        parts = v.split([shape.numel() for shape in self.shapes.values()])
        return {name: part.view(shape)
                for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def flatten(self, parts: dict[str, Tensor]) -> Tensor:
        """(P,) with the given parts, zero elsewhere."""
        return torch.cat([parts[name].reshape(-1) if name in parts
                          else self.weights.new_zeros(shape.numel())
                          for name, shape in self.shapes.items()])

    def layers(self) -> dict[str, Layer]:
        """The linear and convolutional layers whose weight is among the parameters."""
        found = {}
        for name, module in self.model.named_modules():
            if isinstance(module, Layer) \
                    and (f"{name}.weight" if name else "weight") in self.shapes:
                found[name] = module
        return found

    @cached_property
    def _hessian(self) -> HessianOperator:
        return self._hessian_of()

    def _outputs(self, weights: Tensor, x: Tensor) -> Tensor:
        outputs: Tensor = functional_call(self.model, self.unflatten(weights), (x,))
        return outputs

    def _each(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of each sample alone, (n,)."""
        return vmap(lambda z, y: self._loss(z[None], y[None]))(outputs, targets)

    def _along(self, derive: Callable[..., Tensor], direction: Tensor,
               weights: Tensor | None = None) -> Tensor:
        if direction.shape != self.weights.shape:
            raise ConfigError("direction", f"its shape is {tuple(direction.shape)}",
                              f"Give a vector of shape ({self.size},).")
        w = self.weights if weights is None else weights
        d = direction.to(self.device, self.dtype)
        try:
            with torch.no_grad(), self._mathematical():
                parts = [derive(x, y, w, d) for x, y in self._batches()]
        except NotImplementedError as error:
            raise NGFError("This model has an operation without a second forward derivative, "
                           "so its sharpness cannot be read image by image; its spectrum can be "
                           "measured.") from error
        self._count("directional passes")
        return torch.cat(parts).double()

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """In the same order at every pass, as shares of different passes are paired by image."""
        order = []
        for x, y in chunks(self.data, self._batch_size):
            order.append(fingerprint(x, y))
            if self._order is not None and order != self._order[:len(order)]:
                raise NGFError("The data are not the same at every pass, so no image has a share. "
                               "Switch off shuffling and random augmentation.")
            wanted = self.dtype if y.is_floating_point() else torch.int64
            yield as_float(x, self.dtype, self.device), y.to(self.device, wanted)
        self._order = order

    def _count(self, kind: str) -> None:
        self.spent[kind] += 1
        self._on_pass()

    @contextmanager
    def _mathematical(self) -> Iterator[None]:
        """Attention and normalisation written out: their kernels have no such derivative."""
        with attention_written_out(), ForwardTwice():
            yield


def _with_derivative(f: Callable[[Tensor], Tensor], at: Tensor, along: Tensor
                     ) -> tuple[Tensor, Tensor]:
    """f and its derivative along a direction, forward."""
    value, derivative = jvp(f, (at,), (along,))  # type: ignore[misc]  # a third with has_aux only
    return value, derivative


def _derivative(f: Callable[[Tensor], Tensor], at: Tensor, along: Tensor) -> Tensor:
    return _with_derivative(f, at, along)[1]
