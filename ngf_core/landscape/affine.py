"""What depends on the coordinates as z0 + x z1 + y z2, exactly.

The output of a layer whose own weights are the first to move is affine in the coordinates,
(W + x U + y V) h + (b + x u + y v), and stays so through everything linear behind it: sums with
what does not move, BatchNorm in evaluation mode, average pooling, further layers that do not move.
Three passes give it at every point.
"""

import copy
import operator
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from ngf_core.landscape.directions import Direction
from ngf_core.models.graph import module_of, plain

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
SHAPES = (nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Flatten)
FUNCTIONS = (torch.flatten, torch.mean, functional.avg_pool2d, functional.adaptive_avg_pool2d)
METHODS = ("flatten", "mean", "view", "reshape", "transpose", "permute", "squeeze", "unsqueeze",
           "contiguous")


class Affine(NamedTuple):
    """z0 + x z1 + y z2."""

    z0: Tensor
    z1: Tensor
    z2: Tensor

    def at(self, x: float, y: float) -> Tensor:
        return torch.add(self.z0, self.z1, alpha=x).add_(self.z2, alpha=y)


def is_layer(graph: fx.GraphModule, node: fx.Node, fan_in: int) -> bool:
    """Whether the node is a layer with at least `fan_in` products per output number."""
    if node.op != "call_module":
        return False
    module = module_of(graph, node)
    return plain(module, *LAYERS) and module.get_parameter("weight")[0].numel() >= fan_in


def stays_affine(graph: fx.GraphModule, node: fx.Node, affine: set[fx.Node],
                 moved: set[fx.Node]) -> bool:
    """Whether a node with unmoved tensors keeps an affine argument affine."""
    if not node.args or node.kwargs.get("out") is not None:
        return False
    first, others = node.args[0], node.all_input_nodes
    if node.op == "call_function" and node.target in (operator.add, torch.add):
        return (len(node.args) == 2 and not node.kwargs
                and all(isinstance(arg, fx.Node) and arg.op != "get_attr" for arg in node.args)
                and all(arg in affine or arg not in moved for arg in node.args))
    if first not in affine or any(arg in moved for arg in others if arg is not first):
        return False
    if node.op == "call_module":
        module = module_of(graph, node)
        return plain(module, *LAYERS, *SHAPES) or (plain(module, *NORMS)
                                                   and bool(module.track_running_stats))
    if node.op == "call_method":
        return node.target in METHODS
    return node.target in FUNCTIONS or node.target is operator.getitem and len(others) == 1


def along(layers: fx.GraphModule, names: dict[int, str], direction: Direction) -> fx.GraphModule:
    """A copy of `layers` whose weights are those of `direction`, zero where it has none.

    names: id of a tensor -> its name in the direction.
    """
    moved = copy.deepcopy(layers)
    with torch.no_grad():
        for old, new in zip(layers.parameters(), moved.parameters(), strict=True):
            new.zero_() if names[id(old)] not in direction else new.copy_(direction[names[id(old)]])
    return moved


def homogeneous(graph: fx.GraphModule) -> fx.GraphModule:
    """A copy without its constants: what it does to a change of its arguments."""
    linear = copy.deepcopy(graph)
    with torch.no_grad():
        for module in linear.modules():
            if isinstance(module, (*LAYERS, *NORMS)) and module.bias is not None:
                module.bias.zero_()
            if isinstance(module, NORMS):
                module.get_buffer("running_mean").zero_()
    return linear
