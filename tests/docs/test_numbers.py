"""A number in the prose stands in a file that its section names: included, quoted or linked."""

import json
import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, name

FILES = re.compile(r"(?:assets|benchmarks)/[\w./-]+\.(?:md|json|txt)")
# 26.7 and −22.9, but not 3.11 of Python, arXiv 2304.11823 or 11.2 million weights.
NUMBER = re.compile(r"(?<![\w.])\d+\.\d+(?!\.?\d| million)")
INCLUSION = re.compile(r"^<!-- include .*$", re.MULTILINE)
# 11.3 points [−21.7, 44.3], or the interval alone
INTERVAL = re.compile(r"(?:([-−+]?\d[\d.]*)(?:\s[%\w]+){0,3}\s+)?"
                      r"\[([-−+]?\d[\d.]*), ([-−+]?\d[\d.]*)\]")
PAGES = [ROOT / "README.md", *(ROOT / "docs" / f"{page}.md" for page in
                               ("index", "results", "performance", "protocol", "attacks",
                                "scaling"))]


def numbers(file: str) -> set[float]:
    """What a table or a report holds; rates as they are and in percent."""
    text = (ROOT / file).read_text(encoding="utf-8")
    if file.endswith(".json"):
        found = set(_leaves(json.loads(text)))
        return found | {100 * value for value in found}
    return {float(number) for number in re.findall(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?", text)}


def _leaves(value):
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _leaves(part)
    elif isinstance(value, int | float):
        yield float(value)


def intervals(text: str) -> set[tuple[float | None, float, float]]:
    """The intervals of a text, each with the mean before it."""
    return {tuple(float(number.replace("−", "-")) if number else None for number in found)
            for found in INTERVAL.findall(text)}


def unfounded(section: str) -> list:
    """The decimal numbers of a section that no file named in it holds, rounded as they are, and the
    intervals that stand in none of them with their mean, nor as that of the opposite difference."""
    files, prose = set(FILES.findall(section)), INCLUSION.sub("", section)
    known = [number for file in files for number in numbers(file)]
    alone = [number for number in NUMBER.findall(INTERVAL.sub("", prose))
             if not any(abs(value - float(number)) <= 0.5001 * 10 ** -len(number.split(".")[1])
                        for value in known)]
    there = {found for file in files for found in intervals((ROOT / file).read_text("utf-8"))}
    there |= {(-mean, -high, -low) for mean, low, high in there if mean is not None}
    there |= {(None, low, high) for _, low, high in there}
    return [*alone, *(found for found in intervals(prose) if found not in there)]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_numbers_come_from_the_files_they_name(page: Path):
    text = page.read_text(encoding="utf-8").replace("Python 3.11", "Python")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)
    assert not {section.splitlines()[0]: unfounded(section) for section in sections
                if section.strip() and unfounded(section)}


def test_a_number_from_nowhere_is_found():
    section = "ASR 24.2 % (assets/benchmark/report.md), and 27.9 % from nowhere, after 24.18."
    assert unfounded(section) == ["27.9", "24.18"]


def test_an_interval_stands_in_the_file_as_it_is():
    report = "(assets/benchmark/report.md)"
    assert not unfounded(f"−11.7 points of ASR [−20.7, −2.6], SGD minus NGF 11.7 [2.6, 20.7] "
                         f"{report}, and alone [−20.7, −2.6]")
    for wrong in ("24.2 [−20.7, −2.6]", "24.2 points\n  [−20.7, −2.6]", "11.7 [−20.7, −2.6]",
                  "−11.7 [2.6, 20.7]", "24.2 % [−20.7, 56.4]"):
        assert len(unfounded(f"{wrong} {report}")) == 1, wrong


def test_the_readme_quotes_the_report_word_for_word():
    report = (ROOT / "assets/benchmark/report.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (row,) = (line for line in report.splitlines() if re.match(r"\| [\d–]+ \| NGF \|", line))
    der, acc, asr, ra = (cell.strip() for cell in row.split("|")[3:7])
    for quoted in (f"ASR {asr.replace(' [', ' % [')}", f"DER {der.replace(' [', ' % [')}"):
        assert quoted in readme, quoted


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_bytes()) <= 8192
