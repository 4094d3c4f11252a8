"""A model cut where a plane begins to move it: computed once before, at every point after."""

from typing import Any

import torch
from torch import Tensor, fx, nn

from ngf_core.landscape.affine import Affine, along, homogeneous, is_layer, stays_affine
from ngf_core.landscape.fold import fold, work_in_place
from ngf_core.landscape.plane import Plane
from ngf_core.models.graph import part, tensors_of, trace

# Products per output number of a layer from which adding up its three parts is cheaper.
FAN_IN = 128

# What is the same at every point: for each argument of what comes after, a value or an `Affine`.
State = list[Any]


class Program:
    """The logits of a model along a plane, in two steps: `state` once, `logits` at each point.

    `path` is how: "last layer", all logits are affine in the coordinates; "suffix", what lies
    before the moved layers is computed once; "folded", the whole network runs at every point, with
    BatchNorm in its convolutions' weights. `places`: whether tensors have to be placed and
    `refresh` called for each point; if not, the coordinates alone are enough.

    graph: of the model in evaluation mode; tensors: the model's own, by name, now at the plane's
    origin; moving: the ids of those that change from point to point.
    """

    def __init__(self, graph: fx.GraphModule, tensors: dict[str, Tensor], plane: Plane,
                 moving: set[int]) -> None:
        nodes, result = _operations(graph), _result(graph)
        moved = _moved(graph, nodes, moving)
        before = [node for node in nodes if node not in moved]
        affine = _affine(graph, nodes, moved, moving, fan_in=1)
        if result not in affine:
            affine = _affine(graph, nodes, moved, moving, FAN_IN)
        layers = [n for n in nodes if n in affine and _touches(graph, n, moving)]
        linear = [n for n in nodes if n in affine and n not in layers]
        after = [n for n in nodes if n in moved and n not in affine]

        self._rest, self._arguments = part(graph, after, [result])
        frontier = [n for n in self._arguments if n in affine]
        self._linear, into_linear = part(graph, linear, frontier)
        self._layers, into_layers = part(graph, layers, layers)
        fixed = dict.fromkeys(n for n in [*into_layers, *into_linear, *self._arguments]
                              if n not in affine)
        self._prefix, _ = part(graph, before, list(fixed))
        self._names = {"fixed": list(fixed), "layers": layers, "frontier": frontier,
                       "into_layers": into_layers, "into_linear": into_linear}
        names = {id(tensor): name for name, tensor in tensors.items()}
        self._directions = [along(self._layers, names, d) for d in (plane.u, plane.v)]
        # Placing a point changes these in the model, but here the layers' origin is needed.
        self._layers = along(self._layers, names, plane.origin)
        self._homogeneous = homogeneous(self._linear)
        self._folded = fold(self._rest)
        self.places = any(_touches(graph, node, moving) for node in after)
        computed = any(n.op == "call_module" and tensors_of(graph, n) for n in before)
        self.path = ("last layer" if result in affine else "suffix" if computed or affine
                     else "folded")

    def work_in_place(self, state: State) -> None:
        """Let the rest overwrite its own results; `state` is an example for the shapes."""
        fresh = {p.name for p, value in zip(self._placeholders(), state, strict=True)
                 if isinstance(value, Affine)}
        work_in_place(self._rest, fresh, self._at(state, 0.0, 0.0))

    def refresh(self) -> None:
        """To be called once the model's tensors are those of the next point."""
        for conv in self._folded:
            conv.refresh()

    def state(self, inputs: Tensor) -> State:
        """What is the same at every point, for one chunk of inputs."""
        values = dict(zip(self._names["fixed"], self._prefix(inputs), strict=True))
        frontier = self._names["frontier"]
        if frontier:
            parts = []
            for k, layers in enumerate([self._layers, *self._directions]):
                outputs = layers(*[values[n] for n in self._names["into_layers"]])
                own = dict(zip(self._names["layers"], outputs, strict=True))
                known = {n: v if k == 0 or not isinstance(v, Tensor) else torch.zeros_like(v)
                         for n, v in values.items() if n in self._names["into_linear"]} | own
                linear = self._homogeneous if k else self._linear
                parts.append(linear(*[known[n] for n in self._names["into_linear"]]))
            values |= {n: Affine(*zs) for n, *zs in zip(frontier, *parts, strict=True)}
        return [values[n] for n in self._arguments]

    def logits(self, state: State, x: float, y: float) -> Tensor:
        """The logits (n, C) of a chunk; the model's tensors must be those of (x, y)."""
        return self._rest(*self._at(state, x, y))[0]

    def _at(self, state: State, x: float, y: float) -> list[object]:
        return [v.at(x, y) if isinstance(v, Affine) else v for v in state]

    def _placeholders(self) -> list[fx.Node]:
        return [node for node in self._rest.graph.nodes if node.op == "placeholder"]


def program(model: nn.Module, tensors: dict[str, Tensor], plane: Plane, moved: list[str],
            ) -> Program | None:
    """The model cut in two, or None where its graph cannot be determined or nothing in it moves.

    tensors: the model's own, by name. moved: the names that change from point to point.
    """
    graph = trace(model) if moved else None
    if graph is None or not isinstance(_result(graph), fx.Node):
        return None
    moving = {id(tensors[name]) for name in moved}
    if _result(graph) not in _moved(graph, _operations(graph), moving):
        return None
    return Program(graph, tensors, plane, moving)


def nbytes(state: State) -> int:
    """The memory a state takes."""
    tensors = [t for v in state for t in (v if isinstance(v, Affine) else [v])]
    return sum(t.numel() * t.element_size() for t in tensors if isinstance(t, Tensor))


def _operations(graph: fx.GraphModule) -> list[fx.Node]:
    return [n for n in graph.graph.nodes if n.op in ("call_module", "call_function", "call_method")]


def _result(graph: fx.GraphModule) -> Any:
    """The node whose value the model returns; where that is no single one, what it returns."""
    return next(n.args[0] for n in graph.graph.nodes if n.op == "output")


def _moved(graph: fx.GraphModule, nodes: list[fx.Node], moving: set[int]) -> set[fx.Node]:
    """The operations whose value changes from point to point."""
    moved: set[fx.Node] = set()
    for node in nodes:
        if _touches(graph, node, moving) or any(n in moved for n in node.all_input_nodes):
            moved.add(node)
    return moved


def _affine(graph: fx.GraphModule, nodes: list[fx.Node], moved: set[fx.Node], moving: set[int],
            fan_in: int) -> set[fx.Node]:
    affine: set[fx.Node] = set()
    for node in nodes:
        if node not in moved:
            continue
        if _touches(graph, node, moving):
            first = is_layer(graph, node, fan_in) and not any(n in moved
                                                              for n in node.all_input_nodes)
        else:
            first = False
        if first or not _touches(graph, node, moving) and stays_affine(graph, node, affine, moved):
            affine.add(node)
    return affine


def _touches(graph: fx.GraphModule, node: fx.Node, moving: set[int]) -> bool:
    """Whether the operation itself reads a tensor that moves."""
    return any(id(tensor) in moving for tensor in tensors_of(graph, node))
