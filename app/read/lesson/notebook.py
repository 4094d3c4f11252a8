"""The exercises as a notebook on the library, without the dashboard.

    python -m app.read.lesson.notebook      # writes notebooks/lesson.ipynb

Each task is followed by an empty cell and by the code that finds its answer.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.read.lesson.exercise import Exercise, exercises
from app.read.lesson.facts import facts, told
from ngf_core.paths import shipped

PATH = Path("notebooks") / "lesson.ipynb"
HEAD = """# NGF Lab: the exercises of the lesson

Ten tasks on the finished runs that ship with NGF Lab; nothing is trained. Try each by yourself in
the empty cell first: the cell below it holds one way to the answer. It runs from a checkout, in the
environment that `make run` makes."""
BEGIN = """from ngf_core.runs import default_store

store = default_store()"""


def notebook(found: Sequence[Exercise]) -> dict[str, Any]:
    """The notebook, format 4.5, with no outputs."""
    cells = [_markdown("head", HEAD), _code("begin", BEGIN)]
    level = ""
    for one in found:
        if one.level != level:
            level = one.level
            cells.append(_markdown(f"level-{one.number}", f"## {level}"))
        task = told(one.task, facts(one.facts), hints=False)
        options = "".join(f"\n- {option}" for option in one.options)
        cells += [
            _markdown(f"task-{one.number}", f"### {one.number}. {one.title}\n\n{task}"
                      f"{chr(10) * bool(options)}{options}\n\n*Hint:* {one.hint}"),
            _code(f"try-{one.number}", "# Your way to the answer.\n"),
            _code(f"answer-{one.number}", f"{one.solution}\nanswer")]
    return {"cells": cells, "metadata": {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}


def _markdown(name: str, text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": _lines(text)}


def _code(name: str, text: str) -> dict[str, Any]:
    return {"cell_type": "code", "id": name, "metadata": {}, "execution_count": None,
            "outputs": [], "source": _lines(text)}


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def text() -> str:
    """The notebook's file."""
    return json.dumps(notebook(exercises()), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    path = shipped().joinpath(PATH)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text(), encoding="utf-8")
