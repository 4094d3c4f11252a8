"""Who imports whom, read from the source text: at module level and inside functions alike."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

Graph = dict[str, set[str]]


def import_graph(root: Path, *tops: str) -> Graph:
    """Modules of the packages or files `tops` in `root`, and what each imports among them or of
    others.

    A module that lies in another package is taken to import that package too, whose __init__ runs
    first. What only a type checker imports is left out.
    """
    paths = [path for top in tops for path in (*root.glob(f"{top}/**/*.py"), root / f"{top}.py")
             if path.is_file()]
    modules = {_name(root, path): path for path in paths}
    graph: Graph = {}
    for name, path in modules.items():
        found = set(_imported(ast.parse(path.read_text()), set(modules)))
        packages = {up for module in found for up in _parents(module) if up in modules}
        graph[name] = found | packages - set(_parents(name)) - {name}
    return graph


def _name(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _parents(module: str) -> Iterator[str]:
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


def _imported(node: ast.AST, modules: set[str]) -> Iterator[str]:
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        for part in node.orelse:
            yield from _imported(part, modules)
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert not node.level, "imports are written in full"
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            yield inner if inner in modules else str(node.module)
    for child in ast.iter_child_nodes(node):
        yield from _imported(child, modules)


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """The shortest circle of a graph, its first member repeated at the end; empty without one."""
    found: list[str] = []
    for start in sorted(graph):
        before, front = {start: ""}, [start]
        while front:
            here = front.pop(0)
            for there in sorted(graph.get(here, ())):
                if there == start:
                    path = [here]
                    while path[-1] != start:
                        path.append(before[path[-1]])
                    path = [*reversed(path), start]
                    found = path if not found or len(path) < len(found) else found
                elif there not in before:
                    before[there] = here
                    front.append(there)
    return found
