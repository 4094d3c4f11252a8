"""The Markdown table: verdicts, and by how much a goal is missed."""

import pytest

from benchmarks.side_by_side.table import Goal, Line, markdown, seconds


@pytest.mark.parametrize(("goal", "ratio", "said"), [
    (Goal(4, 6), 6.0, "stretch reached"),
    (Goal(4, 6), 4.0, "reached"),
    (Goal(4, 6), 3.0, "**missed by 25 %**"),
    (Goal(2), 100.0, "reached"),
    (Goal(1.5, 1.2, least=False), 1.2, "stretch reached"),
    (Goal(1.5, 1.2, least=False), 1.5, "reached"),
    (Goal(1.5, 1.2, least=False), 1.8, "**missed by 20 %**"),
    (Goal(1.5, 1.2, least=False), 61.5, "**missed by 4000 %**"),
    (Goal(50, least=False), 50.5, "**missed by 1 %**"),
])
def test_verdict(goal, ratio, said):
    assert goal.verdict(ratio) == said


def test_a_miss_is_never_rounded_to_nothing():
    assert Goal(4).verdict(3.9999) == "**missed by 0.0025 %**"


def test_goal_in_words():
    assert str(Goal(4, 6)) == "≥ 4 [6]"
    assert str(Goal(1.1, least=False)) == "≤ 1.1"


def test_table_from_made_up_lines():
    lines = [Line("eigenvalues", "before", "peer", "9 s", "2 s", 4.5, Goal(4, 6), (4.0, 5.0), "A."),
             Line("trace", "before", "peer", "9", "6", 1.5, Goal(3), None, "B."),
             Line("eigenvalues", "ngf", "peer", "9 s", "1 s", 9.0, Goal(4, 6), None, "A."),
             Line("bare", "ngf", "peer", "1 s", "1 s", 1.0, Goal(1))]
    text = markdown(lines, {"command": "make bench"}).splitlines()
    assert "- command: make bench" in text
    assert ("| eigenvalues (1) | before | peer | 9 s | 2 s | 4.5 | 4 to 5 | ≥ 4 [6] | reached |"
            in text)
    assert "| trace (2) | before | peer | 9 | 6 | 1.5 |  | ≥ 3 | **missed by 50 %** |" in text
    assert any(row.startswith("| eigenvalues (1) | ngf |") for row in text)
    assert any(row.startswith("| bare | ngf |") for row in text)
    assert text[-2:] == ["1. A.", "2. B."]
    widths = {row.count("|") for row in text if row.startswith("|")}
    assert widths == {10}


def test_seconds_have_a_unit_that_suits():
    assert seconds(12.345) == "12.3 s"
    assert seconds(0.012345) == "12.3 ms"
