"""The tree in docs/architecture.md is the tree on disk."""

import re
from pathlib import Path

from tests.docs.pages import ROOT, blocks
from tests.test_import_graph import SCIENCE

# How deep the tree is told, from each top folder on.
DEPTHS = {"app": 9, "ngf_core": 9, "benchmarks": 9, "tests": 1, "docs": 1, "assets": 1,
          "notebooks": 1}


def told() -> dict[str, str]:
    """Path of each line of the tree, and what it says of it."""
    (tree,) = blocks(ROOT / "docs/architecture.md", "text")
    lines, above = {}, []
    for line in tree.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        part, _, sentence = line.strip().partition(" ")
        above = [*above[:depth], part]
        lines["".join(above)] = sentence.strip()
    return lines


def folders(top: Path, depth: int) -> set[str]:
    """Folders from `top` on that hold a file of the project."""
    inside = [part for part in top.iterdir() if part.is_dir() and part.name[0] not in "._"]
    below = set().union(*(folders(part, depth - 1) for part in inside)) if depth else set()
    is_one = below or any(part.is_file() for part in top.iterdir())
    return below | ({f"{top.relative_to(ROOT).as_posix()}/"} if is_one else set())


def test_every_folder_has_its_line_and_every_line_its_folder():
    real = set().union(*(folders(ROOT / top, depth) for top, depth in DEPTHS.items()))
    assert {path for path in told() if path.endswith("/")} == real


def test_every_file_it_names_exists_and_every_line_says_something():
    assert all((ROOT / path).exists() for path in told())
    assert all(told().values())


def test_what_it_says_to_be_somewhere_is_there():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("|") and "`" in line]
    paths = [part for line in table for part in line.split("|")[2].split("`")[1::2] if "/" in part]
    assert len(paths) > 8 and not [path for path in paths if not (ROOT / path).exists()]


def test_the_drawing_has_the_rooms_in_the_order_of_imports():
    drawing = (ROOT / "docs/assets/architecture.svg").read_text(encoding="utf-8")
    named = re.search(r'<g id="rooms".*?</g>', drawing, re.DOTALL)[0]
    places = [(int(y), int(x), room) for x, y, room in
              re.findall(r'<text x="(\d+)" y="(\d+)">(\w+)</text>', named)]
    rooms = [room for _, _, room in sorted(places)]
    assert rooms == [room for room in SCIENCE if room in rooms]
    packages = {path.parent.name for path in (ROOT / "ngf_core").glob("*/__init__.py")}
    assert packages <= set(rooms)
