"""The last layer's curvature in closed form, from one forward pass."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ngf_core.curvature.operators.data import as_float
from ngf_core.curvature.operators.operator import check_count
from ngf_core.curvature.spectral.eigenvalues import Eigenpairs, top_eigenvalues
from ngf_core.errors import ConfigError
from ngf_core.models.forward import runs_as

LARGEST_DENSE = 6000
# Samples whose pairs are held at a time by `frobenius`.
ROWS = 1000


class LastLayer:
    """F = (1/n) sum_i (diag p_i - p_i p_i^T) (x) h_i h_i^T, (P, P) with P = C d.

    For logits z = W h and the mean cross-entropy this is the Hessian, the Gauss-Newton matrix and
    the true Fisher matrix in W at once: the loss is convex in z and z is linear in W, so that the
    residual term vanishes. Labels do not enter. Its rank is at most (C - 1) d, because the same
    vector added to every class's row changes nothing. A bias is one more feature that is always 1.

    features: (n, d) inputs of the layer. logits: (n, C). bias: whether the layer has one; P then
    counts it, and vectors are the weight, row by row, then the bias, as `parameters()` has them.
    A product costs three products of an (n, C) and a (d, C) matrix, and no backward pass.
    Raises ConfigError for shapes that do not fit.
    """

    def __init__(self, features: Tensor, logits: Tensor, bias: bool = True) -> None:
        if features.ndim != 2 or logits.ndim != 2 or not 0 < len(features) == len(logits):
            raise ConfigError("features", f"shapes {tuple(features.shape)} and "
                              f"{tuple(logits.shape)} do not fit", "Give (n, d) and (n, C).")
        self.dtype, self.device = features.dtype, features.device
        self._features, self._p = features.detach(), logits.detach().to(features).softmax(1)
        self._bias = bias
        self.classes, self.width = logits.shape[1], features.shape[1]
        self.size = self.classes * (self.width + bias)
        self.products = 0

    @classmethod
    @torch.no_grad()
    def of(cls, model: nn.Module, layer: nn.Module,
           batches: Iterable[tuple[Tensor, Tensor]]) -> "LastLayer":
        """Of the linear `layer` whose output is what `model` returns, in evaluation mode.

        batches: (inputs, anything), one or several; only the inputs are read. They are taken in
        the layer's dtype, on its device, uint8 images as x / 255; the model's mode is restored.
        """
        if not isinstance(layer, nn.Linear) or not runs_as(layer, nn.Linear):
            raise ConfigError("layer", f"it is a {type(layer).__name__}, which does not compute "
                              "W h + b", "Give the module of the last linear layer.")
        if isinstance(batches, tuple | list) and len(batches) == 2 and isinstance(batches[0],
                                                                                  Tensor):
            batches = [(batches[0], batches[1])]
        weight, modes = layer.weight, {part: part.training for part in model.modules()}
        seen: list[tuple[Tensor, Tensor]] = []
        handle = layer.register_forward_hook(
            lambda _, args, out: seen.append((args[0], out)))
        logits = []
        try:
            model.eval()
            for inputs, _ in batches:
                logits.append(model(as_float(inputs, weight.dtype, weight.device)))
        finally:
            handle.remove()
            for part, mode in modes.items():
                part.training = mode
        if not logits:
            raise ConfigError("batches", "there are none", "Give at least one.")
        if not (len(seen) == len(logits)
                and all(out is z for (_, out), z in zip(seen, logits, strict=True))):
            raise ConfigError("layer", "its output is not what the model returns",
                              "Name the last linear layer.")
        return cls(torch.cat([h for h, _ in seen]), torch.cat(logits), layer.bias is not None)

    def matvec(self, v: Tensor) -> Tensor:
        """F v, both of shape (P,)."""
        if v.shape != (self.size,):
            raise ConfigError("v", f"its shape is {tuple(v.shape)}",
                              f"Give a vector of shape ({self.size},).")
        self.products += 1
        v = v.to(self.device, self.dtype)
        weight = v[: self.classes * self.width].view(self.classes, self.width)
        u = self._features @ weight.T
        if self._bias:
            u = u + v[self.classes * self.width :]
        u = self._p * (u - (self._p * u).sum(1, keepdim=True)) / len(u)
        parts = [(u.T @ self._features).reshape(-1)]
        return torch.cat(parts + [u.sum(0)] if self._bias else parts)

    def __matmul__(self, v: Tensor) -> Tensor:
        return self.matvec(v)

    def trace(self) -> float:
        """tr F = E[(1 - ||p||^2) ||h||^2]."""
        spread = 1 - self._p.double().square().sum(1)
        return (spread * self._lengths()).mean().item()

    def frobenius(self) -> float:
        """||F||_F, from n^2 pairs of samples, a part of them held at a time.

        ||F||_F^2 = (1/n^2) sum_ij (h_i . h_j)^2 tr(S_i S_j) with S = diag p - p p^T.
        """
        p, h, total = self._p.double(), self._features.double(), 0.0
        for start in range(0, len(p), ROWS):
            q, g = p[start : start + ROWS], h[start : start + ROWS]
            inner = g @ h.T + self._bias
            both = q @ p.T
            pairs = both - q @ p.square().T - q.square() @ p.T + both.square()
            total += (inner.square() * pairs).sum().item()
        return float(total**0.5) / len(p)

    def dense(self) -> Tensor:
        """F (P, P), block by block of two classes. ConfigError if P exceeds LARGEST_DENSE."""
        if self.size > LARGEST_DENSE:
            raise ConfigError("layer", f"a dense matrix of {self.size} parameters is too large",
                              "Use its products or `eigenvalues`.")
        n, d, one = len(self._p), self.width, self._features.new_ones(len(self._p), 1)
        h = torch.cat([self._features, one], 1) if self._bias else self._features
        made = h.new_empty(self.classes, h.shape[1], self.classes, h.shape[1])
        for a in range(self.classes):
            for b in range(a + 1):
                weights = self._p[:, a] * (float(a == b) - self._p[:, b]) / n
                made[a, :, b] = h.T @ (weights[:, None] * h)
                made[b, :, a] = made[a, :, b]
        if not self._bias:
            return made.reshape(self.size, self.size)
        # Weight first, then bias.
        places = torch.arange(self.size, device=h.device).view(self.classes, d + 1)
        order = torch.cat([places[:, :d].reshape(-1), places[:, d]])
        return made.reshape(self.size, self.size)[order][:, order]

    def eigenvalues(self, k: int, generator: torch.Generator,
                    tolerance: float = 1e-6) -> Eigenpairs:
        """The k largest, by Lanczos on the exact products."""
        check_count("k", k, 1, self.size)
        return top_eigenvalues(self, k, 20 * k + 300, tolerance, generator)

    def _lengths(self) -> Tensor:
        return self._features.double().square().sum(1) + self._bias
