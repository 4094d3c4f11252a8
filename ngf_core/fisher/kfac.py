"""The Kronecker-factored Fisher of a layer, F ~ A (x) G (Martens, Grosse 2015, arXiv 1503.05671;
for convolutions Grosse, Martens 2016, arXiv 1602.01407).

With a_it the layer's input at position t of sample i (a patch of a convolution, a token, or the
whole; with a one appended for the bias) and g_it the gradient of sample i's loss in its output,

    A = 1/n sum_it a_it a_it^T  (K, K),        G = 1/(n T) sum_it g_it g_it^T  (O, O),

so that the gradient V (O, K) has the natural direction Q_G [(Q_G^T V Q_A) / (s_G s_A^T + lambda)]
Q_A^T, from the eigenvectors Q and eigenvalues s of the two factors. It is exact where inputs and
output gradients are independent and positions do not mix; it never quite is.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.errors import ConfigError
from ngf_core.fisher.natural import NaturalDirection

# Samples whose patches are held at a time.
CHUNK = 16


@dataclass(frozen=True)
class Factors:
    """`inputs` A (K, K) and `outputs` G (O, O), float64; with a `bias` it has A's last row."""

    inputs: Tensor
    outputs: Tensor
    bias: bool

    @property
    def trace(self) -> float:
        """tr(A (x) G)."""
        return float(self.inputs.trace() * self.outputs.trace())

    def mixed(self, newer: "Factors", decay: float) -> "Factors":
        """decay times these plus 1 - decay times `newer`."""
        return Factors(torch.lerp(newer.inputs, self.inputs, decay),
                       torch.lerp(newer.outputs, self.outputs, decay), self.bias)


def factors(layer: nn.Module, a: Tensor, dz: Tensor) -> Factors:
    """Both factors from the layer's input a and the gradients dz of each sample's loss.

    Raises ConfigError for a grouped convolution, whose weight is not a single matrix.
    """
    n, bias = len(a), layer.bias is not None
    inputs = outputs = a.new_zeros((), dtype=torch.float64)
    for some, back in zip(a.split(CHUNK), dz.split(CHUNK), strict=True):
        some, back = _positions(layer, some, back)
        if bias:
            some = torch.cat([some, torch.ones_like(some[..., :1])], 2)
        positions = some.shape[1]
        some, back = (x.flatten(0, 1) for x in (some, back))
        inputs = inputs + (some.T @ some).double() / n
        outputs = outputs + (back.T @ back).double() / (n * positions)
    return Factors(inputs, outputs, bias)


def kfac_direction(found: Factors, gradient: Tensor, damping: float) -> NaturalDirection:
    """Solve (A (x) G + damping I) d = g for g (P,), weight then bias, as in `per_sample`."""
    (s_in, q_in), (s_out, q_out) = map(torch.linalg.eigh, (found.inputs, found.outputs))
    weight, bias = gradient.double().tensor_split([gradient.numel() - found.bias * len(s_out)])
    v = torch.cat([weight.view(len(s_out), -1), bias.view(-1, 1)] if found.bias
                  else [weight.view(len(s_out), -1)], 1)
    inside = (q_out.T @ v @ q_in) / (s_out[:, None] * s_in + damping)
    d = q_out @ inside @ q_in.T
    direction = torch.cat([d[:, :-1].flatten(), d[:, -1]]) if found.bias else d.flatten()
    direction = direction.to(gradient.dtype)
    length = float(gradient.double() @ direction.double())
    return NaturalDirection(direction, damping, length)


def _positions(layer: nn.Module, a: Tensor, dz: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs (n, T, K) and output gradients (n, T, O), one row per position."""
    if isinstance(layer, nn.Linear):
        return a.reshape(len(a), -1, a.shape[-1]), dz.reshape(len(dz), -1, dz.shape[-1])
    if isinstance(layer, nn.Conv2d) and layer.groups == 1 and not isinstance(layer.padding, str):
        patches = F.unfold(a, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
        return patches.mT, dz.flatten(2).mT
    raise ConfigError("fisher", "K-FAC needs a linear layer or a convolution of one group",
                      "Choose another layer, or another Fisher matrix.")
