"""Per-sample gradients of one layer from an ordinary backward pass.

For a linear layer z = W a + b the gradient of one sample's loss is dz a^T; for a convolution it
is dz U^T with U the unfolded patches of a. Both need only the layer's input and the gradient of
the *summed* loss with respect to its output, because in eval mode samples do not mix. The
parameters of a layer are flattened as weight, then bias.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.errors import ConfigError


@dataclass(frozen=True)
class Tapped:
    """A forward pass: `logits` (n, C), and the tapped layer's `input` and `output` with graph."""

    layer: nn.Module
    logits: Tensor
    input: Tensor
    output: Tensor

    def gradients(self, losses: Tensor) -> Tensor:
        """G, (n, P): row i is the gradient of losses[i] (n,) in the layer's parameters."""
        (output_grad,) = torch.autograd.grad(losses.sum(), self.output, retain_graph=True)
        return per_sample_outer(self.layer, self.input, output_grad)


def tap(model: nn.Module, layer: nn.Module, x: Tensor) -> Tapped:
    """Run the model on x and keep what the layer saw.

    The layer's parameters must require gradients and BatchNorm must be in eval mode; otherwise
    the samples' gradients are not their own. Raises ConfigError where that is not so or where the
    layer runs other than once.
    """
    if any(m.training for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)):
        raise ConfigError("model", "BatchNorm is in training mode, which mixes the samples",
                          "Call model.eval() first.")
    if not all(p.requires_grad for p in layer.parameters()):
        raise ConfigError("layer", "its parameters do not require gradients",
                          "Call layer.requires_grad_(True) first.")
    seen: list[tuple[Tensor, Tensor]] = []
    handle = layer.register_forward_hook(lambda _, args, out: seen.append((args[0], out)))
    try:
        logits = model(x)
    finally:
        handle.remove()
    if len(seen) != 1:
        raise ConfigError("layer", f"it runs {len(seen)} times in a forward pass",
                          "Choose a layer that runs once.")
    return Tapped(layer, logits, seen[0][0].detach(), seen[0][1])


def per_sample_outer(layer: nn.Module, a: Tensor, dz: Tensor) -> Tensor:
    """(n, P) from the layer's input a and the output gradient dz."""
    n = len(a)
    if isinstance(layer, nn.Linear):
        if a.ndim != 2:
            raise ConfigError("layer", f"a linear layer with input of shape {tuple(a.shape)}",
                              "Only inputs of shape (n, features) are supported.")
        weight = torch.einsum("no,ni->noi", dz, a)
        bias_grad = dz
    elif isinstance(layer, nn.Conv2d):
        if layer.groups != 1 or isinstance(layer.padding, str) or layer.padding_mode != "zeros":
            raise ConfigError("layer", "a convolution with groups, named or non-zero padding",
                              "Choose a plain convolution.")
        patches = F.unfold(a, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
        weight = torch.bmm(dz.flatten(2), patches.transpose(1, 2))
        bias_grad = dz.sum((2, 3))
    else:
        raise ConfigError("layer", f"a {type(layer).__name__} has no per-sample gradients here",
                          "Choose a convolution or a linear layer.")
    parts = [weight.reshape(n, -1)] + ([bias_grad] if layer.bias is not None else [])
    return torch.cat(parts, 1)
