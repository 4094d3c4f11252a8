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


def test_the_benchmarks_tables_are_those_that_ship():
    """Every table of these sections stands so in what `python -m ngf_core benchmark` wrote."""
    told = (README.parent / "assets" / "benchmark" / "report.md").read_text().splitlines()
    parts = re.findall(r"### (?:Sixteen defenses|The sharpness claim).*?(?=\n### )",
                       README.read_text(), re.DOTALL)
    lines = [line for part in parts for line in part.splitlines() if line.startswith("|")]
    assert len(parts) == 2 and len(lines) > 30
    assert not [line for line in lines if line not in told]
