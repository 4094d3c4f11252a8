"""The exercises: one text, and what is made of it agrees with the runs."""

import base64
import html
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from app.read.lesson import notebook as notebooks
from app.read.lesson.exercise import exercises
from app.read.lesson.facts import facts, told
from app.read.lesson.handout import TEXT, answer, handout, to_html
from app.read.lesson.material import material
from app.read.lesson.scene import scenes
from ngf_core.errors import NGFError
from ngf_core.paths import shipped

FOUND = exercises()


def test_there_are_ten_in_three_levels():
    assert [one.number for one in FOUND] == list(range(1, 11))
    assert list(dict.fromkeys(one.level for one in FOUND)) == ["See it", "Measure it", "Decide it"]
    for one in FOUND:
        assert not one.options or one.answer in one.options
        assert bool(one.options) + bool(one.fact) + bool(one.within) + bool(one.psnr) == 1


def test_a_right_choice_is_told_why():
    assert all(one.why for one in FOUND if one.options)
    task = ("## See it\n\n### One\n+++\nanswer = 'x'\n+++\nA task.\n\n#### Hint\nLook.\n\n"
            "#### Solution\n```python\nanswer = 'x'\n```\n")
    assert exercises(task)[0].why == ""
    assert exercises(f"{task}\n#### Why\nBecause.\n")[0].why == "Because."


def test_an_exercise_without_settings_is_named():
    with pytest.raises(NGFError, match="The exercise “Lost” has no settings"):
        exercises("## See it\n\n### Lost\nA task.\n")
    with pytest.raises(NGFError, match="needs the sections Hint and Solution"):
        exercises("## See it\n\n### Lost\n+++\nanswer = 'x'\n+++\nA task.\n\n#### Hint\nNone.\n")


def test_the_notebook_is_made_of_the_text(zoo):
    written = shipped("notebooks", "lesson.ipynb").read_text(encoding="utf-8")
    assert written == notebooks.text(), "python -m app.read.lesson.notebook writes it anew"


def test_the_notebook_runs_and_finds_the_answers_of_the_page(zoo, monkeypatch, capsys):
    from ngf_core import runs

    monkeypatch.setattr(runs, "default_store", lambda: zoo)
    cells = json.loads(shipped("notebooks", "lesson.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict = {}
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        exec("".join(cell["source"]), names)
        if cell["id"].startswith("answer-"):
            one = FOUND[int(cell["id"].partition("-")[2]) - 1]
            if one.options:
                assert names["answer"] == one.answer, one.title
            elif one.fact:
                value = facts(one.facts)[one.fact].value * (100 if one.unit == "%" else 1)
                assert np.isclose(names["answer"], value), one.title
            elif one.psnr:
                assert names["answer"] > one.psnr and names["works"] >= one.asr / 100
            else:
                assert names["answer"] <= one.within


def test_the_handout_has_every_scene_task_and_answer_and_asks_nothing_of_the_net(zoo):
    paper = handout(scenes(), FOUND)
    for one in (*scenes(), *FOUND):
        assert one.title in paper
    before, _, after = paper.partition("What turned out")
    assert all(answer(one) in after for one in FOUND)
    for scene in scenes():
        told_at_last = to_html(told(scene.home, facts(scene.facts), hints=False))
        assert told_at_last in after and told_at_last not in before, scene.name
    assert paper.count(TEXT["paper trigger"]) == sum(bool(one.psnr) for one in FOUND) > 0
    assert not re.search(r"https?:|<script|src=\"(?!data:image/png)|\{\w+\}|\[\[", paper)


def test_a_task_on_paper_has_the_table_and_the_signs_of_the_page(zoo):
    tasks = handout((), FOUND).partition("<section><h2>Hints")[0].split("<section>")[1:]
    for one, task in zip(FOUND, tasks, strict=True):
        found = material(one)
        if isinstance(found, pd.DataFrame):
            rows = [[html.unescape(cell) for cell in re.findall("<t[dh]>(.*?)</t[dh]>", row)]
                    for row in re.findall("<tr.*?</tr>", task, re.DOTALL)]
            assert rows == [list(found.columns), *found.to_numpy().tolist()], one.title
        else:
            drawn = re.findall(r'src="data:image/png;base64,([^"]+)"', task)
            pixels = [np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"))
                      for png in drawn]
            wanted = [] if found is None else [np.moveaxis(pic.image, 0, -1) for pic in found]
            assert len(pixels) == len(wanted), one.title
            assert all(map(np.array_equal, pixels, wanted)), one.title


def test_the_good_layers_on_paper_are_those_that_the_page_accepts(zoo):
    one = next(one for one in FOUND if one.within)
    results = zoo.get(one.runs[0]).results
    left = {entry["layer"]: 100 * entry["asr"]["hits"] / entry["asr"]["n"]
            for entry in results["map"] if entry["method"] == "ngf"}
    good = {layer for layer, asr in left.items() if asr - min(left.values()) <= one.within}
    assert set(re.findall(r"([\w.]+) \(", answer(one))) == good


def test_the_words_behind_question_marks_are_explained_on_paper(zoo):
    paper = handout(scenes(), FOUND)
    for word in ("ASR", "RA", "PSNR", "Trigger", "WaNet", "FBA (DFST-lite)"):
        assert f"<dt>{word}</dt>" in paper, word


def test_the_first_scene_shows_its_sign_and_keeps_the_answer_for_later(zoo):
    before, _, after = handout(scenes(), ()).partition("What turned out")
    assert before.count("<img") == 2 and "network says" not in before
    assert "with the patch: the network says <strong>stop</strong>" in after


def test_the_markdown_of_the_lesson_as_html():
    assert to_html("One **bold** and *slanting* `word`.\n\n1 < 2 & <b>") == (
        "<p>One <strong>bold</strong> and <em>slanting</em> <code>word</code>.</p>"
        "<p>1 &lt; 2 &amp; &lt;b&gt;</p>")
    assert to_html("- one\n- *two*,\n  three") == (
        "<ul><li>one</li><li><em>two</em>, three</li></ul>")
