"""The README's examples run."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
EXAMPLES = [code for code in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
            if not code.startswith("# ngf_core/")]  # a file to add, not a program


def test_there_is_an_example():
    for part in ("measure_spectrum", "purify(model, clean_data, NGF("):
        assert any(part in code for code in EXAMPLES), part


@pytest.mark.parametrize("code", EXAMPLES, ids=lambda code: code.split("\n")[0])
def test_an_example_runs(code, capsys):
    exec(compile(code, str(README), "exec"), {})  # noqa: S102
    assert capsys.readouterr().out.strip(), "an example shows something"
