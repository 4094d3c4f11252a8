"""Per-sample gradients of a layer, or of several, from one ordinary backward pass.

For a linear layer z = W a + b the gradient of one sample's loss is dz a^T, summed over the sample's
tokens where it has several; for a convolution it is dz U^T with U the unfolded patches of a, group
by group. Both need only the layer's input and the gradient of the *summed* loss with respect to its
output, because in eval mode samples do not mix. The parameters of a layer are flattened as weight,
then bias, and those of several layers follow each other.

G has n P numbers: for 250 samples of a 3x3 convolution from 512 to 512 channels 2.4 GB in float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ngf_core.errors import ConfigError

# Samples whose patches are held at a time, so that they stay in the processor's cache.
CHUNK = 8


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
    """Run the model on x and keep the layer's input and output; see `tap_all`."""
    return tap_all(model, [layer], x)[0]


def tap_all(model: nn.Module, layers: Sequence[nn.Module], x: Tensor) -> tuple[Tapped, ...]:
    """Run the model on x and keep each layer's input and output, with the same logits for all.

    Their parameters must require gradients and BatchNorm must be in eval mode; otherwise the
    gradients mix the samples. Raises ConfigError where that is not so, where a layer does not run
    exactly once, or where an in-place operation overwrites its input or output.
    """
    if any(m.training for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)):
        raise ConfigError("model", "BatchNorm is in training mode, which mixes the samples",
                          "Call model.eval() first.")
    if not all(p.requires_grad for layer in layers for p in layer.parameters()):
        raise ConfigError("layer", "its parameters do not require gradients",
                          "Call layer.requires_grad_(True) first.")
    seen: dict[nn.Module, list[tuple[Tensor, Tensor, int, int]]] = {layer: [] for layer in layers}
    handles = [layer.register_forward_hook(
        lambda layer, args, out: seen[layer].append((args[0], out, args[0]._version, out._version)))
        for layer in layers]
    try:
        logits = model(x)
    finally:
        for handle in handles:
            handle.remove()
    return tuple(_tapped(layer, logits, seen[layer]) for layer in layers)


def _tapped(layer: nn.Module, logits: Tensor, seen: list[tuple[Tensor, Tensor, int, int]]
            ) -> Tapped:
    if len(seen) != 1:
        raise ConfigError("layer", f"it runs {len(seen)} times in a forward pass",
                          "Choose a layer that runs once.")
    a, z, *versions = seen[0]
    if versions != [a._version, z._version]:
        raise ConfigError("layer", "an operation that follows overwrites its input or output",
                          "Build the model with inplace=False.")
    return Tapped(layer, logits, a.detach(), z)


def per_sample_outer(layer: nn.Module, a: Tensor, dz: Tensor) -> Tensor:
    """(n, P) from the layer's input a and the output gradient dz, the samples along dimension 0."""
    if isinstance(layer, nn.Linear):
        a, dz = (x.reshape(len(x), -1, x.shape[-1]) for x in (a, dz))  # (n, tokens, features)
        weight = torch.bmm(dz.transpose(1, 2), a)
        bias_grad = dz.sum(1)
    elif isinstance(layer, nn.Conv2d):
        if isinstance(layer.padding, str) or layer.padding_mode != "zeros":
            raise ConfigError("layer", "a convolution with named or non-zero padding",
                              "Choose one with padding by a number of zeros.")
        weight = a.new_empty(len(a), *layer.weight.shape)
        for i in range(0, len(a), CHUNK):
            weight[i : i + CHUNK] = _convolution(layer, a[i : i + CHUNK], dz[i : i + CHUNK])
        bias_grad = dz.sum((2, 3))
    else:
        raise ConfigError("layer", f"a {type(layer).__name__} has no per-sample gradients here",
                          "Choose a convolution or a linear layer.")
    if layer.bias is None:
        return weight.flatten(1)  # without the copy that torch.cat would make
    return torch.cat([weight.flatten(1), bias_grad], 1)


def _convolution(layer: nn.Conv2d, a: Tensor, dz: Tensor) -> Tensor:
    """dz U^T for some samples, of the shape (n, *layer.weight.shape).

    The patches U are read off the padded input, channels last, as an overlapping view: the row of
    a patch is then contiguous in memory, and copying it several times cheaper than `F.unfold`.
    """
    n, channels_out, height, width = dz.shape
    (kh, kw), groups, inner = layer.kernel_size, layer.groups, a.shape[1] // layer.groups
    (sh, sw), (dh, dw) = layer.stride, layer.dilation
    ph, pw = map(int, layer.padding)  # no name of a padding: `per_sample_outer` refuses those
    padded = F.pad(a.permute(0, 2, 3, 1), (0, 0, pw, pw, ph, ph)).contiguous()
    image, row, column, one = padded.stride()
    patches = padded.as_strided(
        (n, groups, height, width, kh, kw, inner),
        (image, inner * one, sh * row, sw * column, dh * row, dw * column, one))
    patches = patches.reshape(n * groups, height * width, kh * kw * inner)
    by_group = dz.reshape(n * groups, channels_out // groups, height * width)
    outer = torch.bmm(by_group, patches).view(n, channels_out, kh, kw, inner)
    return outer.permute(0, 1, 4, 2, 3)
