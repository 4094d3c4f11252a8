"""Per-sample gradients of a layer, or of several, from one ordinary backward pass.

For a linear layer z = W a + b the gradient of one sample's loss is dz a^T, summed over the sample's
tokens where it has several; for a convolution it is dz U^T with U the unfolded patches of a, group
by group. Both need only the layer's input and the gradient of the *summed* loss with respect to its
output, because in eval mode samples do not mix. The parameters of a layer are flattened as weight,
then bias, and those of several layers follow each other.

Any other layer's (one with a forward pass of its own, or other padding than zeros) are pulled back
through the layer, one sample at a time. Where a layer does not run exactly once on the samples one
by one, so that there is no such input and output (a projection that attention reads without
calling it, shared weights, tokens before samples), they are pulled back through the whole model.

G has n P numbers: for 250 samples of a 3x3 convolution from 512 to 512 channels 2.4 GB in float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vjp, vmap
from torch.utils._pytree import tree_map

from ngf_core.curvature.operators.attention import attention_written_out
from ngf_core.errors import ConfigError
from ngf_core.models.forward import runs_as

# Samples whose patches are held at a time, so that they stay in the processor's cache.
CHUNK = 8


@dataclass(frozen=True)
class Tapped:
    """A forward pass: `logits` (n, C), and the tapped layer's `input` and `output` with graph.

    through: None where gradients are outer products of these two; otherwise what they are pulled
    back through, the layer or the whole model, and then input and output are those of `through`.
    """

    layer: nn.Module
    logits: Tensor
    input: Any  # a tensor, or what crosses a cut
    output: Tensor
    through: nn.Module | None = None

    def gradients(self, losses: Tensor) -> Tensor:
        """G, (n, P): row i is the gradient of losses[i] (n,) in the layer's parameters."""
        (output_grad,) = torch.autograd.grad(losses.sum(), self.output, retain_graph=True,
                                             materialize_grads=True)
        return self.rows(output_grad)

    def rows(self, output_grad: Tensor, part: slice = slice(None)) -> Tensor:
        """(n, P) from the gradient (n, ...) in `output`; of a `part` of the samples alone."""
        inputs = tree_map(lambda t: t[part], self.input)
        if self.through is None:
            return per_sample_outer(self.layer, inputs, output_grad[part])
        return per_sample_pulled(self.through, self.layer, inputs, output_grad[part])


@dataclass(frozen=True)
class _Run:
    """One call of a layer, and the versions of its input and output then."""

    inputs: tuple[Any, ...]
    output: Any
    versions: tuple[int, ...]

    @classmethod
    def of(cls, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> "_Run":
        inputs = () if kwargs else args  # named inputs are left to the model
        return cls(inputs, output, _versions(*inputs, output))

    def one_by_one(self, samples: int) -> bool:
        """Whether one tensor went in and one came out, each with the samples along dimension 0."""
        tensors = (*self.inputs, self.output)
        if len(tensors) != 2 or not all(isinstance(t, Tensor) and t.ndim and len(t) == samples
                                        for t in tensors):
            return False
        # Of as many tokens as samples either dimension may be that of the samples.
        a: Tensor = tensors[0]
        return self.output.requires_grad and not (a.ndim == 3 and a.shape[0] == a.shape[1])


def tap(model: nn.Module, layer: nn.Module, x: Tensor) -> Tapped:
    """Run the model on x and keep the layer's input and output; see `tap_all`."""
    return tap_all(model, [layer], x)[0]


def tap_all(model: nn.Module, layers: Sequence[nn.Module], x: Tensor) -> tuple[Tapped, ...]:
    """Run the model on x and keep each layer's input and output, with the same logits for all.

    Their parameters must require gradients and BatchNorm must be in eval mode; otherwise the
    gradients mix the samples. Raises ConfigError where that is not so, where the logits depend on
    none of the layers, or where an in-place operation overwrites a layer's input or output.
    """
    if any(m.training for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)):
        raise ConfigError("model", "BatchNorm is in training mode, which mixes the samples",
                          "Call model.eval() first.")
    if not all(p.requires_grad for layer in layers for p in layer.parameters()):
        raise ConfigError("layer", "its parameters do not require gradients",
                          "Call layer.requires_grad_(True) first.")
    outer = {layer: _has_outer_product(layer) for layer in layers}  # before the hooks below
    seen: dict[nn.Module, list[_Run]] = {layer: [] for layer in layers}
    handles = [layer.register_forward_hook(
        lambda layer, args, kwargs, out: seen[layer].append(_Run.of(args, kwargs, out)),
        with_kwargs=True) for layer in layers]
    try:
        logits = model(x)
    finally:
        for handle in handles:
            handle.remove()
    if not logits.requires_grad:
        raise ConfigError("layer", "the model's answers do not depend on it",
                          "Choose a layer that they depend on.")
    return tuple(_tapped(model, layer, x, logits, seen[layer], outer[layer]) for layer in layers)


def _tapped(model: nn.Module, layer: nn.Module, x: Tensor, logits: Tensor, runs: Sequence[_Run],
            outer: bool) -> Tapped:
    again = not outer and layer._forward_pre_hooks  # they would change what they changed already
    if (len(runs) != 1 or not runs[0].one_by_one(len(logits)) or _shares(model, layer) or again):
        return Tapped(layer, logits, tree_map(torch.detach, x), logits, model)
    (run,) = runs
    if run.versions != _versions(*run.inputs, run.output):
        raise ConfigError("layer", "an operation that follows overwrites its input or output",
                          "Build the model with inplace=False.")
    through = None if outer else layer
    return Tapped(layer, logits, run.inputs[0].detach(), run.output, through)


def _versions(*values: Any) -> tuple[int, ...]:
    return tuple(value._version for value in values if isinstance(value, Tensor))


def _has_outer_product(layer: nn.Module) -> bool:
    """Whether `per_sample_outer` holds for this layer."""
    if isinstance(layer, nn.Conv2d):
        zeros = layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
        return zeros and runs_as(layer, nn.Conv2d)
    return runs_as(layer, nn.Linear)


def _shares(model: nn.Module, layer: nn.Module) -> bool:
    """Whether a parameter of the layer is one of another layer too."""
    own = {id(p) for p in layer.parameters()}
    return sum(id(p) in own for _, p in model.named_parameters(remove_duplicate=False)) > len(own)


def per_sample_outer(layer: nn.Module, a: Tensor, dz: Tensor) -> Tensor:
    """(n, P) from the layer's input a and the output gradient dz, the samples along dimension 0.

    layer: a linear layer or a convolution padded by a number of zeros, as torch runs them.
    """
    if isinstance(layer, nn.Linear):
        a, dz = (x.reshape(len(x), -1, x.shape[-1]) for x in (a, dz))  # (n, tokens, features)
        weight = torch.bmm(dz.transpose(1, 2), a)
        bias_grad = dz.sum(1)
    else:
        assert isinstance(layer, nn.Conv2d)
        weight = a.new_empty(len(a), *layer.weight.shape)
        for i in range(0, len(a), CHUNK):
            weight[i : i + CHUNK] = _convolution(layer, a[i : i + CHUNK], dz[i : i + CHUNK])
        bias_grad = dz.sum((2, 3))
    if layer.bias is None:
        return weight.flatten(1)  # without the copy that torch.cat would make
    return torch.cat([weight.flatten(1), bias_grad], 1)


def per_sample_pulled(module: nn.Module, layer: nn.Module, inputs: Any, dz: Tensor) -> Tensor:
    """(n, P) in the parameters of `layer`, from the inputs of `module`, which contains it, and the
    gradient dz in its output: row i is J_i^T dz_i, with the module run on sample i alone.

    Some samples at a time by `vmap`, or one after the other where an operation of the module has
    no rule for it.
    """
    parameters = list(layer.parameters())
    names = {id(p): name for name, p in module.named_parameters()}
    # Where the module was cut out of a model, it lacks the layers that its answers do not need.
    used = {names[id(p)]: p.detach() for p in parameters if id(p) in names}
    rows = dz.new_zeros(len(dz), sum(p.numel() for p in parameters))
    columns = rows.split([p.numel() for p in parameters], 1)
    with attention_written_out():
        for i in range(0, len(dz) if used else 0, CHUNK):
            some = slice(i, i + CHUNK)
            part = tree_map(lambda t: t[some], inputs)  # noqa: B023  # called at once
            found = _pulled(module, used, part, dz[some])
            for p, column in zip(parameters, columns, strict=True):
                if id(p) in names:
                    column[some] = found[names[id(p)]].flatten(1)
    return rows


def _pulled(module: nn.Module, values: dict[str, Tensor], inputs: Any, dz: Tensor
            ) -> dict[str, Tensor]:
    """The gradients (n, *shape) by name."""
    def pulled(one: Any, back: Tensor) -> dict[str, Tensor]:
        alone = tree_map(lambda t: t[None], one)
        pull = vjp(lambda v: functional_call(module, v, (alone,)), values)[1]
        (found,) = pull(back[None])
        return found  # type: ignore[no-any-return]

    try:
        with torch.no_grad():
            return vmap(pulled)(inputs, dz)
    except RuntimeError:  # a value that decides the way on, a function without a rule for `vmap`
        each = [_pulled_alone(module, values, tree_map(lambda t: t[i : i + 1], inputs),  # noqa: B023
                              dz[i : i + 1]) for i in range(len(dz))]
        return {name: torch.stack([found[name] for found in each]) for name in values}


def _pulled_alone(module: nn.Module, values: dict[str, Tensor], inputs: Any, dz: Tensor
                  ) -> dict[str, Tensor]:
    leaves = {name: value.clone().requires_grad_() for name, value in values.items()}
    with torch.enable_grad():
        output = functional_call(module, leaves, (inputs,))
    if not output.requires_grad:
        return {name: torch.zeros_like(value) for name, value in values.items()}
    found = torch.autograd.grad(output, list(leaves.values()), dz, materialize_grads=True)
    return dict(zip(values, found, strict=True))


def _convolution(layer: nn.Conv2d, a: Tensor, dz: Tensor) -> Tensor:
    """dz U^T for some samples, of the shape (n, *layer.weight.shape).

    The patches U are read off the padded input, channels last, as an overlapping view: the row of
    a patch is then contiguous in memory, and copying it several times cheaper than `F.unfold`.
    """
    n, channels_out, height, width = dz.shape
    (kh, kw), groups, inner = layer.kernel_size, layer.groups, a.shape[1] // layer.groups
    (sh, sw), (dh, dw) = layer.stride, layer.dilation
    ph, pw = map(int, layer.padding)  # no name of a padding: see `_has_outer_product`
    padded = F.pad(a.permute(0, 2, 3, 1), (0, 0, pw, pw, ph, ph)).contiguous()
    image, row, column, one = padded.stride()
    patches = padded.as_strided(
        (n, groups, height, width, kh, kw, inner),
        (image, inner * one, sh * row, sw * column, dh * row, dw * column, one))
    patches = patches.reshape(n * groups, height * width, kh * kw * inner)
    by_group = dz.reshape(n * groups, channels_out // groups, height * width)
    outer = torch.bmm(by_group, patches).view(n, channels_out, kh, kw, inner)
    return outer.permute(0, 1, 4, 2, 3)
