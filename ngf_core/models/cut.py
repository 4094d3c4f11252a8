"""A network cut in front of some of its layers: what does not depend on them, and the rest.

While those layers are tuned, everything before the cut gives the same numbers for the same image,
so it has to be computed only once. Where connections run past the cut (shortcuts), several tensors
cross it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, fx, nn

from ngf_core.models.graph import part, tensors_of

Crossing = tuple[Tensor, ...]


class Rest(nn.Module):
    """The network behind a cut. It shares the layers, and runs on what crosses the cut."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__()
        self.rest = graph
        self.train(graph.training)

    def forward(self, crossing: Crossing) -> Tensor:
        """The logits (n, C) from the tensors that cross, the samples along their dimension 0."""
        return self.rest(*crossing)[0]


class Cut:
    """One cut of a traced network: `rest`, and the graph's values that cross, in its order.

    Names of layers in `rest` are those of the network with "rest." in front.
    """

    def __init__(self, graph: fx.GraphModule, tuned: Iterable[nn.Module]) -> None:
        tensors = {id(t) for layer in tuned for t in layer.parameters()}
        behind: set[fx.Node] = set()
        for node in _operations(graph):
            if _reads(graph, node, tensors) or any(n in behind for n in node.all_input_nodes):
                behind.add(node)
        result = next(n.args[0] for n in graph.graph.nodes if n.op == "output")
        self.sound = result in behind
        nodes = [n for n in _operations(graph) if n in behind]
        rest, self.crossing = part(graph, nodes, [result] if self.sound else [])
        self.rest = Rest(rest)


class Walk:
    """Values of one set of images in a traced network, brought forward from cut to cut.

    Each cut's values are computed from those of the cuts before; what no later cut needs is freed.
    cuts: in the order in which `at` will be called. images: float (n, C, H, W). limit: bytes that
    what crosses a cut may take; a cut where it takes more is skipped (`at` returns None).
    """

    def __init__(self, graph: fx.GraphModule, cuts: Sequence[Cut], images: Tensor,
                 batch_size: int = 250, limit: float = 1e9) -> None:
        self._graph, self._ahead, self._batch_size = graph, list(cuts), batch_size
        self._limit = limit
        self._values: dict[fx.Node, Tensor] = {_input(graph): images}

    def at(self, cut: Cut) -> Crossing | None:
        """What crosses `cut`, of all images; None where it is too large to be kept."""
        while self._ahead.pop(0) is not cut:
            pass
        images = next(iter(self._values.values()))
        one = self._computed(cut.crossing, 1)
        fits = sum(_nbytes(t) for t in next(one)) * len(images) <= self._limit
        if fits:
            wanted = [n for n in cut.crossing if n not in self._values]
            self._values |= dict(zip(wanted, self._whole(wanted), strict=True))
        crossing = tuple(self._values[n] for n in cut.crossing) if fits else None
        needed = _frontier([n for c in self._ahead for n in c.crossing], set(self._values))
        self._values = {n: v for n, v in self._values.items() if n in needed}
        return crossing

    def _whole(self, wanted: list[fx.Node]) -> list[Tensor]:
        parts = self._computed(wanted, self._batch_size)
        return [torch.cat(tensors) for tensors in zip(*parts, strict=True)] if wanted else []

    def _computed(self, wanted: list[fx.Node], batch_size: int) -> Iterator[Crossing]:
        """Values of all images, one batch at a time."""
        compute = _computation(self._graph, wanted, set(self._values))
        split = {n: v.split(batch_size) for n, v in self._values.items()}
        for i in range(len(next(iter(split.values())))):
            yield compute({n: parts[i] for n, parts in split.items()})


def cut(graph: fx.GraphModule | None, tuned: Sequence[nn.Module], images: Tensor) -> Cut | None:
    """The cut before the first of the `tuned` layers of a model whose `trace` is `graph`.

    None where it cannot be cut: it was not traced, its logits do not depend on the layers, or
    something crosses that is not a tensor of one entry per image. images: at least three, to
    detect that.
    """
    if graph is None:
        return None
    found = Cut(graph, tuned)
    if not found.sound:
        return None
    compute = _computation(graph, found.crossing, {_input(graph)})
    for few in (images[:2], images[:3]):
        crossing = compute({_input(graph): few})
        if not all(isinstance(v, Tensor) and v.ndim and len(v) == len(few) for v in crossing):
            return None
    return found


def _computation(graph: fx.GraphModule, wanted: list[fx.Node], known: set[fx.Node]
                 ) -> Callable[[Mapping[fx.Node, Tensor]], Crossing]:
    """The function from the known values of a graph to the wanted ones."""
    between = _between(wanted, known)
    nodes = [n for n in _operations(graph) if n in between]
    segment, arguments = part(graph, nodes, wanted)

    def compute(values: Mapping[fx.Node, Tensor]) -> Crossing:
        with torch.no_grad():
            return segment(*[values[n] for n in arguments])

    return compute


def _input(graph: fx.GraphModule) -> fx.Node:
    return next(n for n in graph.graph.nodes if n.op == "placeholder")


def _operations(graph: fx.GraphModule) -> list[fx.Node]:
    return [n for n in graph.graph.nodes if n.op in ("call_module", "call_function", "call_method")]


def _reads(graph: fx.GraphModule, node: fx.Node, tensors: set[int]) -> bool:
    """Whether the operation itself reads one of these parameters, given by id."""
    return any(id(t) in tensors for t in tensors_of(graph, node))


def _between(wanted: list[fx.Node], known: set[fx.Node]) -> set[fx.Node]:
    """The operations that lead from known values to the wanted ones."""
    found: set[fx.Node] = set()
    ahead = [n for n in wanted if n not in known]
    while ahead:
        node = ahead.pop()
        if node not in found:
            found.add(node)
            ahead += [n for n in node.all_input_nodes if n not in known and n.op != "get_attr"]
    return found


def _frontier(wanted: list[fx.Node], known: set[fx.Node]) -> set[fx.Node]:
    """The known values from which the wanted ones can be computed."""
    between = _between(wanted, known)
    return {n for n in wanted if n in known} | {
        n for node in between for n in node.all_input_nodes if n in known}


def _nbytes(t: Tensor) -> int:
    return t.numel() * t.element_size()
