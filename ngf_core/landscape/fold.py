"""BatchNorm folded into convolutions, and ReLU and sums done in place.

In evaluation mode BatchNorm is s z + t per channel, s = gamma / sqrt(var + eps), t = beta - s mean.
After a convolution it merges into the weights, s W and s b + t; after a sum of two convolutions
into both, s W_1 and s b_1 + t, s W_2 and s b_2. Weights are far fewer than activations, so doing
this for each point costs next to nothing. Where the sum's other branch is not a convolution, an
extra pass to scale it would cost as much as the BatchNorm, which then stays.
"""

import operator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional

from ngf_core.models.graph import module_of, plain


class FoldedConv(nn.Module):
    """s conv(x), and + t with `shift`, for a BatchNorm s z + t, as of the last `refresh`."""

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d, shift: bool) -> None:
        super().__init__()
        self.conv, self.norm, self.shift = conv, norm, shift
        self.weight = torch.empty_like(conv.weight)
        has_bias = shift or conv.bias is not None
        self.bias = conv.weight.new_empty(conv.out_channels) if has_bias else None
        self.refresh()

    def refresh(self) -> None:
        """Fold the tensors as they now are, in float64."""
        conv, norm = self.conv, self.norm
        mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
        scale = (variance.double() + norm.eps).rsqrt()
        if norm.affine:
            scale = scale * norm.weight
        self.weight.copy_(conv.weight * scale.view(-1, 1, 1, 1))
        if self.bias is not None:
            bias = torch.zeros_like(scale) if conv.bias is None else conv.bias * scale
            if self.shift:
                bias = bias - mean * scale
                bias = bias + norm.bias if norm.affine else bias
            self.bias.copy_(bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv._conv_forward(x, self.weight, self.bias)


def fold(graph: fx.GraphModule) -> list[FoldedConv]:
    """Fold every BatchNorm of `graph` that can be; returns the convolutions that now hold one.

    Each has weights of its own, so a convolution used twice may hold two.
    """
    folded: list[FoldedConv] = []

    def takes(node: object) -> bool:
        if not isinstance(node, fx.Node) or len(node.users) != 1:
            return False
        if node.op == "call_module":
            return plain(module_of(graph, node), nn.Conv2d)
        return _is_sum(node) and node.args[0] is not node.args[1] and all(map(takes, node.args))

    def give(node: Any, norm: nn.BatchNorm2d, shift: bool) -> None:
        if _is_sum(node):
            give(node.args[0], norm, shift)
            give(node.args[1], norm, False)
            return
        convolution = module_of(graph, node)
        assert isinstance(convolution, nn.Conv2d)  # what `takes` lets through
        folded.append(FoldedConv(convolution, norm, shift))
        node.target = f"folded_{len(folded)}"
        graph.add_submodule(node.target, folded[-1])

    for node in list(graph.graph.nodes):
        if node.op != "call_module":
            continue
        norm = module_of(graph, node)
        if (isinstance(norm, nn.BatchNorm2d) and plain(norm, nn.BatchNorm2d)
                and norm.track_running_stats and takes(node.args[0])):
            give(node.args[0], norm, True)
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
    graph.recompile()
    return folded


def work_in_place(graph: fx.GraphModule, fresh: set[str], arguments: list[object]) -> None:
    """Let ReLU and sums overwrite a value that nothing else reads, and that was made for them.

    fresh: names of the arguments that may be overwritten. arguments: an example of them all, for
    the shapes: a sum is written to a term that has the shape of the result.
    """
    ShapeProp(graph).propagate(*arguments)
    free = {node for node in graph.graph.nodes if node.op == "placeholder" and node.name in fresh}

    def takes(node: object) -> bool:
        return isinstance(node, fx.Node) and node in free and len(node.users) == 1

    for node in graph.graph.nodes:
        if _is_relu(graph, node) and takes(node.args[0]):
            node.op, node.target, node.args, node.kwargs = (
                "call_function", torch.relu_, (node.args[0],), {})
        elif _is_sum(node):
            whole = _shape(node)
            for mine, other in (node.args, node.args[::-1]):
                if takes(mine) and whole is not None and _shape(mine) == whole:
                    node.op, node.target, node.args = "call_method", "add_", (mine, other)
                    break
        if _makes_new(graph, node):
            free.add(node)
    graph.recompile()


def _makes_new(graph: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return plain(module_of(graph, node), nn.Conv2d, nn.Linear, nn.BatchNorm2d,
                     FoldedConv, nn.ReLU)
    return _is_sum(node) or node.target in (torch.relu_, torch.relu, functional.relu, "add_")


def _is_sum(node: fx.Node) -> bool:
    return (node.op == "call_function" and node.target in (operator.add, torch.add)
            and not node.kwargs and len(node.args) == 2
            and all(isinstance(arg, fx.Node) for arg in node.args))


def _is_relu(graph: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return plain(module_of(graph, node), nn.ReLU)
    return (node.op == "call_function" and node.target in (functional.relu, torch.relu)
            or node.op == "call_method" and node.target == "relu")


def _shape(node: fx.Node) -> tuple | None:
    meta: Any = node.meta.get("tensor_meta")
    return (meta.shape, meta.dtype) if hasattr(meta, "shape") else None
