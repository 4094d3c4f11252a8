"""Imports run downwards: from room to room in the order written here, and nowhere in a circle.

A room is a package of ngf_core or app (of app.widgets, a folder), or a file that stands beside
them. A new room has to be put in its place in the list.
"""

from pathlib import Path

import pytest

from tests.support.import_graph import Graph, circle, import_graph

ROOT = Path(__file__).parents[1]
# Each room may import those below it, and none of those above.
SCIENCE = ("__main__", "cli", "bundle", "compare", "sweep", "evidence", "launch", "execute",
           "inside", "library", "audit", "layers", "trained", "training", "imports", "runs",
           "config", "purify", "landscape", "scaling", "evaluate", "attacks", "fisher", "curvature",
           "models", "ranks", "data", "options",
           "text_table", "registry", "paths", "device", "errors", "")
FACE = ("frame", "views", "widgets.lesson", "widgets.inside", "widgets.model", "widgets.start",
        "widgets.benchmark", "widgets.sweep", "widgets.compare", "widgets.layers",
        "widgets.curvature", "widgets.attacks", "widgets.race", "widgets.imports", "widgets.runs",
        "widgets.controls", "read", "state", "jobs", "warm", "figures", "theme", "text", "widgets",
        "")
ROOMS = ("streamlit_app", *(f"app.{room}".strip(".") for room in FACE),
         *(f"ngf_core.{room}".strip(".") for room in SCIENCE))
HALLS = ("app", "app.widgets", "ngf_core")  # what holds rooms, and itself only an __init__


@pytest.fixture(scope="module")
def graph() -> Graph:
    return import_graph(ROOT, "streamlit_app", "app", "ngf_core")


def room_of(module: str) -> str:
    """The innermost of ROOMS that holds a module of this project."""
    inner = module
    while inner not in ROOMS:
        assert "." in inner, f"{module} lies in no room of this test"
        inner = inner.rpartition(".")[0]
    assert inner not in HALLS or inner == module, (
        f"{module} lies in a room that this test does not know: put it in its place in the list")
    return inner


def ours(module: str) -> bool:
    return module.partition(".")[0] in ("streamlit_app", "app", "ngf_core")


def upwards(graph: Graph) -> dict[tuple[str, str], list[str]]:
    """Imports that do not run downwards: by their rooms, as "importer -> imported"."""
    found: dict[tuple[str, str], list[str]] = {}
    for module, imported in graph.items():
        for other in filter(ours, imported):
            rooms = room_of(module), room_of(other)
            if ROOMS.index(rooms[0]) > ROOMS.index(rooms[1]):
                found.setdefault(rooms, []).append(f"{module} -> {other}")
    return found


def test_the_graph_holds_what_it_is_about(graph):
    assert len(graph) > 250
    assert "ngf_core.curvature.operators.hessian" in graph["ngf_core.curvature"]
    assert "ngf_core.models.build" in graph["app.state"], "imports in functions count"
    assert "streamlit" in graph["app.state"]


def test_no_file_imports_itself_by_way_of_others(graph):
    assert not circle(graph), " -> ".join(circle(graph))


def test_imports_run_downwards_from_room_to_room(graph):
    assert upwards(graph) == {}


def test_the_science_and_the_figures_know_no_dashboard(graph):
    for module, imported in graph.items():
        tops = {other.partition(".")[0] for other in imported}
        if room_of(module).startswith("ngf_core"):
            assert not tops & {"app", "streamlit", "streamlit_app", "plotly"}, module
        if room_of(module) in ("app.figures", "app.theme"):
            assert "streamlit" not in tops, module


def project(folder: Path, files: dict[str, str]) -> Graph:
    """The graph of a fabricated project."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return import_graph(folder, "app", "ngf_core")


def test_a_new_circle_is_found(tmp_path):
    straight = {"ngf_core/data/a.py": "from ngf_core.data import b\n",
                "ngf_core/data/b.py": "def f():\n    import ngf_core.data.c\n",
                "ngf_core/data/c.py": "from typing import TYPE_CHECKING\n"
                                      "if TYPE_CHECKING:\n    import ngf_core.data.a\n"}
    assert circle(project(tmp_path / "straight", straight)) == []
    bent = straight | {"ngf_core/data/c.py": "def f():\n    from ngf_core.data.a import x\n"}
    assert circle(project(tmp_path / "bent", bent)) == [
        "ngf_core.data.a", "ngf_core.data.b", "ngf_core.data.c", "ngf_core.data.a"]


def test_a_circle_through_a_package_is_found(tmp_path):
    files = {"ngf_core/data/__init__.py": "from ngf_core.data.a import x\n",
             "ngf_core/data/a.py": "import ngf_core.models.b\n",
             "ngf_core/models/b.py": "from ngf_core.data.c import y\n", "ngf_core/data/c.py": ""}
    assert circle(project(tmp_path, files)) == [
        "ngf_core.data", "ngf_core.data.a", "ngf_core.models.b", "ngf_core.data"]


def test_an_import_upwards_is_found(tmp_path):
    graph = project(tmp_path, {
        "ngf_core/data/a.py": "def f():\n    from ngf_core.attacks import b\n",
        "ngf_core/attacks/b.py": "", "app/figures/c.py": "import app.widgets.runs.d\n",
        "app/widgets/runs/d.py": "import ngf_core.data.a\n"})
    assert upwards(graph) == {
        ("ngf_core.data", "ngf_core.attacks"): ["ngf_core.data.a -> ngf_core.attacks.b"],
        ("app.figures", "app.widgets.runs"): ["app.figures.c -> app.widgets.runs.d"]}


def test_a_room_that_is_not_listed_is_named(tmp_path):
    graph = project(tmp_path, {"ngf_core/utils/a.py": "import ngf_core.data.b\n",
                               "ngf_core/data/b.py": ""})
    with pytest.raises(AssertionError, match="ngf_core.utils.a lies in a room that this test does"):
        upwards(graph)
