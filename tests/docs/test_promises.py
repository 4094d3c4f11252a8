"""Each promise of docs/promises.md and docs/numbers.md names tests that exist, and the report that
the former includes is of today."""

import ast
import json
import re

import pytest

from tests.campaigns.counts import MUST_BE_ZERO
from tests.campaigns.report import RESULTS, page
from tests.docs.pages import ROOT


def rows(page: str) -> list[str]:
    """The lines of the page's table below its heads."""
    lines = (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("| ")][1:]


FAULTS, NUMBERS = rows("promises.md"), rows("numbers.md")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def defined_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("row", FAULTS + NUMBERS, ids=lambda row: row.split("|")[1].strip())
def test_a_promise_names_tests_that_exist(row):
    fault, promised, read, tests = (cell.strip() for cell in row.strip("|").split("|"))
    assert fault and promised and read and NAMED.findall(tests)
    assert not [(file, name) for file, name in NAMED.findall(tests) if name not in defined_in(file)]


def test_there_is_a_promise_for_each_fault():
    told = " ".join(row.split("|")[1].lower() for row in FAULTS)
    for fault in ("worker is killed", "server is killed", "power", "disk is full", "read-only",
                  "two servers", "clock", "bit flips", "versions", "nan", "memory"):
        assert fault in told, fault


def test_the_report_is_what_its_numbers_say_and_nothing_was_lost():
    told = json.loads((RESULTS / "faults.json").read_text())
    assert (RESULTS / "faults.md").read_text() == page(told)
    assert set(told["parts"]) == {"Workers killed", "Servers killed", "Disk full", "Files damaged"}
    assert not [part["faults"] for part in told["parts"].values() if part["faults"]]
    assert all(name in page(told) for name in MUST_BE_ZERO)
