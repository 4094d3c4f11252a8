"""A model as a graph of operations, so that what a plane does not move is computed once."""

import operator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional


class _Tracer(fx.Tracer):
    """Steps into every module but torch's own, layers that can be tuned, and those in `leaves`,
    which stay one operation."""

    # Buffers appear as nodes too: read as constants they would not follow a plane that moves them.
    proxy_buffer_attributes = True

    def __init__(self, leaves: set[str]) -> None:
        super().__init__()
        self.leaves = leaves
        self.inside: list[str] = []

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return (module_qualified_name in self.leaves or isinstance(m, nn.Conv2d | nn.Linear)
                or super().is_leaf_module(m, module_qualified_name))

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        # No `finally`: after a failure the last one left here is the module that failed.
        self.inside.append(self.path_of_module(m))
        out = super().call_module(m, forward, args, kwargs)
        self.inside.pop()
        return out


def trace(model: nn.Module) -> fx.GraphModule | None:
    """The graph of `model` in evaluation mode, or None where it cannot be determined.

    A module whose forward pass depends on its input's type or values stays a single operation; if
    that is the model itself, there is no graph, nor is there where the model itself has hooks,
    which its forward pass does not contain. Identities and dropout are left out, and in-place
    operations are replaced by others, so that a value that is kept is not overwritten. The graph
    shares the model's tensors. While torch traces, no other thread of the process may run a model:
    the tracer replaces every module's call.
    """
    if model._forward_hooks or model._forward_pre_hooks:
        return None
    leaves: set[str] = set()
    while True:
        tracer = _Tracer(leaves)
        try:
            graph = fx.GraphModule(model, tracer.trace(model))
            break
        except Exception:  # Whatever a forward pass may raise on a symbol.
            if not tracer.inside or tracer.inside[-1] in leaves:
                return None
            leaves.add(tracer.inside[-1])
    inputs = [node for node in graph.graph.nodes if node.op == "placeholder"]
    if len(inputs) > 1 and any(node.users for node in inputs[1:]):
        return None
    _leave_out(graph, (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d))
    if not _out_of_place(graph):
        return None
    graph.recompile()
    return graph


def plain(module: nn.Module, *kinds: type) -> bool:
    """Whether `module` is exactly of one of these kinds, with no hooks that could change it."""
    return type(module) in kinds and not module._forward_hooks and not module._forward_pre_hooks


def module_of(graph: fx.GraphModule, node: fx.Node) -> nn.Module:
    """The module that a node of the kind "call_module" runs."""
    return graph.get_submodule(str(node.target))


def tensors_of(graph: fx.GraphModule, node: fx.Node) -> list[Tensor]:
    """The parameters and buffers that the operation itself reads."""
    read: list[Tensor] = []
    if node.op == "call_module":
        module = module_of(graph, node)
        read += [*module.parameters(), *module.buffers()]
    for argument in node.all_input_nodes:
        if argument.op == "get_attr":
            owner, _, name = str(argument.target).rpartition(".")
            read.append(getattr(graph.get_submodule(owner), name))
    return read


def part(model: fx.GraphModule, nodes: list[fx.Node], outputs: list[fx.Node],
         ) -> tuple[fx.GraphModule, list[fx.Node]]:
    """The graph of `nodes` alone, from the values it needs to those of `outputs`, as a tuple.

    Also the nodes of `model` that its arguments stand for, in order. Parameters it reads are its
    own nodes, not arguments.
    """
    graph, inside, values = fx.Graph(), set(nodes), {}
    needed = dict.fromkeys(n for n in [*(n for node in nodes for n in node.all_input_nodes),
                                       *outputs] if n not in inside)
    arguments = [n for n in needed if n.op != "get_attr"]
    for node in arguments:
        values[node] = graph.placeholder(node.name)
    for node in [*(n for n in needed if n.op == "get_attr"), *nodes]:
        values[node] = graph.node_copy(node, values.__getitem__)
    graph.output(tuple(values[node] for node in outputs))
    return fx.GraphModule(model, graph), arguments


def _leave_out(graph: fx.GraphModule, kinds: tuple[type, ...]) -> None:
    for node in list(graph.graph.nodes):
        if node.op == "call_module" and plain(module_of(graph, node), *kinds):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)


def _out_of_place(graph: fx.GraphModule) -> bool:
    """Rewrite in-place operations; False if a changed value is used again, or may be."""
    for node in graph.graph.nodes:
        if not _in_place(graph, node):
            continue
        changed = node.args[0] if node.args else None
        if not isinstance(changed, fx.Node) or len(changed.users) > 1:
            return False
        if node.op == "call_module":
            # An activation's own flag.
            module_of(graph, node).inplace = False  # type: ignore[assignment]
        elif node.target in (operator.iadd, operator.imul, operator.isub):
            node.target = {operator.iadd: operator.add, operator.imul: operator.mul,
                           operator.isub: operator.sub}[node.target]
        elif node.kwargs.get("inplace"):
            node.kwargs = dict(node.kwargs) | {"inplace": False}
        elif node.op == "call_method" and hasattr(Tensor, str(node.target)[:-1]):
            node.target = str(node.target)[:-1]
        elif node.target in (torch.relu_, functional.relu_):
            node.target = torch.relu
        else:
            return False
    return True


def _in_place(graph: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return bool(getattr(module_of(graph, node), "inplace", False))
    if node.op == "call_method":
        method = str(node.target)
        return method.endswith("_") and not method.endswith("__")
    if node.op == "call_function":
        name = getattr(node.target, "__name__", "")
        return (node.target in (operator.iadd, operator.imul, operator.isub, operator.itruediv,
                                operator.setitem)
                or name.endswith("_") and not name.endswith("__") or "out" in node.kwargs
                or bool(node.kwargs.get("inplace")))
    return False
