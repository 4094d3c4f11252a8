"""Each page ends with a question, and the questions lead through all pages."""

from pathlib import Path

import pytest

from app.read.model_in_hand import WIDGET
from app.widgets.model.next_question import QUESTIONS
from tests.support.fabricated_runs import make_run

VIEWS = {path.stem for path in (Path(__file__).parents[2] / "app" / "views").glob("[a-z]*.py")}


def test_every_page_but_the_first_and_the_last_asks_one_that_another_answers():
    assert set(QUESTIONS) == VIEWS - {"start", "lesson", "runs"}
    assert all(question.page in VIEWS - {page} for page, question in QUESTIONS.items())


def test_from_an_attack_they_lead_to_the_evidence():
    page, way = "attacks", ["attacks"]
    while page in QUESTIONS:
        page = QUESTIONS[page].page
        assert page not in way
        way.append(page)
    assert way[-1] == "runs"
    assert len(way) == len(VIEWS) - 4  # not Start, the lesson and the two ways in


@pytest.mark.parametrize("page", ["race", "spectrum", "landscape"])
def test_the_link_is_drawn_last_and_the_model_stays(page, runs, open_page):
    race = make_run(runs, "purify", attack="blend")
    app = open_page(page, run=race.id)
    last = app.main.get("page_link")[-1]
    question = QUESTIONS[page]
    assert last.proto.label == f"Next: {question.text}"
    assert last.proto.page == question.page
    there = app.switch_page(f"app/views/{question.page}.py").run()
    assert there.selectbox(WIDGET).value == race.config.source
