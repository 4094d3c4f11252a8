"""A channel of a convolution: which BatchNorm scales it, and how it is cut.

Where BatchNorm stands is read from one forward pass of a blank image, not from the order in which
modules were registered: that order pairs a pre-activation block's first BatchNorm, which sees a sum
of two branches, with the convolution of another block.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn.modules.batchnorm import _BatchNorm

from ngf_core.errors import ConfigError


@dataclass(frozen=True)
class PrunableConvolution:
    """A convolution with its name in the model and the BatchNorms next to it.

    `after` reads its output directly; `before` writes its input, apart from single-input
    operations (an activation, a pooling) in between. Either is None where a sum of branches comes
    between.
    """

    name: str
    layer: nn.Conv2d
    before: _BatchNorm | None
    after: _BatchNorm | None


def convolutions(model: nn.Module, shape: tuple[int, ...], method: str
                 ) -> list[PrunableConvolution]:
    """The convolutions in the order they run, for images of `shape` (C, H, W); model in eval mode.

    Raises ConfigError, naming `method`, for a network with fewer than two: a single one that cuts
    the image into patches has no learned channels before it.
    """
    # Tensors are distinguished by their graph nodes: an in-place activation that follows turns a
    # layer's output into another tensor, but not into another node.
    ran: list[tuple[nn.Module, Node | None, Node | None]] = []

    def note(module: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
        ran.append((module, args[0].grad_fn, out.grad_fn))

    handles = [m.register_forward_hook(note) for m in model.modules()
               if isinstance(m, nn.Conv2d | _BatchNorm)]
    parameter = next(model.parameters())
    blank = torch.zeros(1, *shape, dtype=parameter.dtype, device=parameter.device)
    try:
        with torch.enable_grad():
            model(blank.requires_grad_(True))
    finally:
        for handle in handles:
            handle.remove()
    wrote = {node: norm for norm, _, node in ran if isinstance(norm, _BatchNorm)}
    reads = {node: norm for norm, node, _ in ran if isinstance(norm, _BatchNorm)}
    made = {node for _, _, node in ran}
    names = {module: name for name, module in model.named_modules()}
    found = [PrunableConvolution(names[m], m, _behind(node, wrote, made), reads.get(out))
             for m, node, out in ran if isinstance(m, nn.Conv2d)]
    if len(found) < 2:
        raise ConfigError("methods", f"{method} cuts channels of convolutions, and this network "
                          f"has {len(found) or 'none'}", "Use anp, which masks every layer.")
    return found


def _behind(node: Node | None, wrote: dict[Node | None, _BatchNorm], made: set[Node | None]
            ) -> _BatchNorm | None:
    """The BatchNorm whose output `node` derives from by single-input operations."""
    while node is not None and node not in made:
        producers = [source for source, _ in node.next_functions if source is not None]
        node = producers[0] if len(producers) == 1 else None
    return wrote.get(node)


def gain(norm: _BatchNorm) -> Tensor:
    """|gamma_k| / sqrt(var_k + eps), (channels,): by how much BatchNorm stretches each channel."""
    if norm.running_var is None:
        raise ConfigError("model", "a BatchNorm keeps no running statistics",
                          "Build it with track_running_stats=True.")
    stretch = torch.rsqrt(norm.running_var + norm.eps)
    return stretch if norm.weight is None else stretch * norm.weight.detach().abs()


def silence(convolution: PrunableConvolution, channels: Tensor) -> None:
    """Make the output channels at `channels` (indices) constantly zero, downstream of `after` too.

    The filter and its bias are zeroed, and gamma and beta of the BatchNorm that reads them; so the
    channel is zero on every path, also along a skip connection that bypasses the BatchNorm.
    """
    with torch.no_grad():
        for layer in (convolution.layer, convolution.after):
            for values in () if layer is None else (layer.weight, layer.bias):
                if values is not None:
                    values[channels] = 0
