"""Scene files: what is read of them, and what a teacher is told who made a mistake."""

import re

import pytest

from app.read.lesson.facts import NAMED, WORD
from app.read.lesson.scene import folder, read, readable, scenes
from app.text import define
from ngf_core.errors import NGFError

GOOD = """+++
title = "A title"
picture = "trigger"
question = "What?"
options = ["This", "That"]
right = 2
+++
The beginning.

## Answer
That.

## Take home
One sentence.
"""
SHIPPED = {scene.name: scene for scene in scenes()}


def test_a_scene_is_what_its_file_says():
    scene = read("04_my_scene.md", GOOD + "\n## Notes\nSay this.\n")
    assert (scene.name, scene.title, scene.options) == ("my_scene", "A title", ("This", "That"))
    assert (scene.opening, scene.answer, scene.home) == ("The beginning.", "That.", "One sentence.")
    assert (scene.right, scene.notes, scene.further) == (2, "Say this.", "")


def test_scenes_come_in_the_order_of_their_numbers_and_others_are_left(tmp_path):
    for name in ("10_last", "02_first", "notes"):
        (tmp_path / f"{name}.md").write_text(GOOD)
    assert [scene.name for scene in scenes(tmp_path)] == ["first", "last"]


@pytest.mark.parametrize(("change", "told"), [
    (("+++\ntitle", "title"), "does not begin with its settings"),
    (('title = "A title"', "title = A title"), "are not TOML: Invalid value (at line 2, "),
    (('picture = "trigger"\n', ""), "it has no picture"),
    (("right = 2", "right = 3"), "right must be 0 or the number of an option, 1 to 2"),
    (('["This", "That"]', '["This"]'), "options must be two to five texts"),
    (("right = 2", 'right = 2\n[live]\npage = "elsewhere"'),
     "live needs texts, and a page among ablation, attacks"),
    (("right = 2", 'right = 2\n[live]\npage = "race"\nsteps = 5'), "live needs texts, and a page"),
    (("right = 2", "wrong = 2"), "wrong is no setting of a scene"),
    (("## Answer", "## Reveal"), "it has no section “Answer”; “Reveal” is no section of a scene"),
])
def test_a_mistake_is_named_with_its_file(change, told):
    with pytest.raises(NGFError, match=re.escape(told)) as caught:
        read("04_my_scene.md", GOOD.replace(*change))
    assert "04_my_scene.md" in str(caught.value)


def test_a_file_in_another_encoding_is_named_with_its_line(tmp_path):
    (tmp_path / "03_mine.md").write_bytes(GOOD.replace("That.", "Déjà vu.").encode("latin-1"))
    with pytest.raises(NGFError, match=r"03_mine\.md is not in UTF-8 \(line 11\)"):
        scenes(tmp_path)


def test_no_two_scenes_share_a_name_and_there_is_one(tmp_path):
    with pytest.raises(NGFError, match="has no scene"):
        scenes(tmp_path)
    for number in ("01", "02"):
        (tmp_path / f"{number}_same.md").write_text(GOOD)
    with pytest.raises(NGFError, match="Two scenes of the lesson are called same"):
        scenes(tmp_path)


def test_a_file_that_is_no_scene_is_told_and_the_others_stay(tmp_path):
    for name, text in (("01_good", GOOD), ("02_bad", "Nothing."), ("03_good", GOOD)):
        (tmp_path / f"{name}.md").write_text(text)
    found, faults = readable(tmp_path)
    assert [scene.name for scene in found] == ["good"]
    assert "02_bad.md" in faults[0] and "called good" in faults[1] and len(faults) == 2
    (tmp_path / "01_good.md").unlink()
    (tmp_path / "03_good.md").unlink()
    with pytest.raises(NGFError, match=re.escape("02_bad.md")):
        readable(tmp_path)


def test_there_are_ten_scenes():
    assert len(SHIPPED) == 10
    assert all(scene.notes for scene in SHIPPED.values())


@pytest.mark.parametrize("name", SHIPPED)
def test_no_bare_figure_stands_in_a_scene(name):
    """A number is a named fact of a run; only what one reads on may have digits of its own."""
    scene = SHIPPED[name]
    for text in (scene.title, scene.question, *scene.options, scene.opening, scene.answer,
                 scene.home, scene.notes, scene.live.get("takes", "")):
        assert not re.findall(r"\d[\d.,]*", NAMED.sub("", text)), text


@pytest.mark.parametrize("name", SHIPPED)
def test_every_fact_is_quoted_and_every_word_explained(name):
    scene = SHIPPED[name]
    text = " ".join((scene.question, *scene.options, scene.opening, scene.answer, scene.home,
                     scene.notes, scene.further, scene.live.get("takes", "")))
    assert {found[1] for found in NAMED.finditer(text)} == set(scene.facts)
    assert all(define(found[2] or found[1]) for found in WORD.finditer(text))


def test_the_exercises_lie_beside_the_scenes():
    assert (folder() / "exercises.md").exists()
