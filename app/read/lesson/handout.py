"""The lesson on paper: one HTML file without scripts or anything from outside."""

import html
import re
from collections.abc import Sequence

from app.read.lesson.exercise import Exercise
from app.read.lesson.facts import facts, told
from app.read.lesson.scene import Scene

STYLE = """
body { font: 11pt/1.45 Georgia, serif; max-width: 42em; margin: 2em auto; padding: 0 1em; }
h1, h2, h3 { font-family: Helvetica, Arial, sans-serif; line-height: 1.2; break-after: avoid; }
h2 { margin-top: 2em; } section { break-inside: avoid-page; }
.question { border-left: 3px solid #0072B2; padding-left: 1em; } .home { font-weight: bold; }
.room { height: 5em; border-bottom: 1px solid #999; }
pre { font-size: 9pt; white-space: pre-wrap; background: #f4f4f4; padding: 0.7em; }
@media print { body { margin: 0; max-width: none; } .answers { break-before: page; } }
"""
ON_THE_PAGE = "The signs or the numbers for this task are on the page Lesson, Exercises."
CODE, BOLD, ITALIC = (re.compile(part) for part in (r"`([^`]+)`", r"\*\*(.+?)\*\*", r"\*(.+?)\*"))


def handout(scenes: Sequence[Scene], exercises: Sequence[Exercise]) -> str:
    """The scenes with their questions and numbers, the tasks with room to write, and the answers
    on a page of their own."""
    parts = ["<h1>NGF Lab: the lesson</h1>"]
    parts += [_scene(number, scene) for number, scene in enumerate(scenes, start=1)]
    parts.append("<h1>Exercises</h1>")
    level = ""
    for one in exercises:
        if one.level != level:
            level = one.level
            parts.append(f"<h2>{html.escape(level)}</h2>")
        parts.append(_task(one))
    answers = "".join(f"<li>{html.escape(answer(one))}</li>" for one in exercises)
    parts.append(f'<div class="answers"><h2>Answers</h2><ol>{answers}</ol></div>')
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f"<title>NGF Lab: the lesson</title><style>{STYLE}</style></head><body>"
            f"{''.join(parts)}</body></html>\n")


def answer(exercise: Exercise) -> str:
    """An exercise's answer in words."""
    if exercise.fact:
        return str(facts(exercise.facts)[exercise.fact])
    return exercise.answer or "Several answers are good; the page scores yours."


def _scene(number: int, scene: Scene) -> str:
    known = facts(scene.facts)

    def said(text: str) -> str:
        return to_html(told(text, known, hints=False))

    options = "".join(f"<li>{_inline(told(one, known, hints=False))}</li>" for one in scene.options)
    return (f"<section><h2>{number}. {html.escape(scene.title)}</h2>{said(scene.opening)}"
            f'<div class="question">{said(scene.question)}<ol>{options}</ol></div>'
            f'{said(scene.answer)}<div class="home">{said(scene.home)}</div>{said(scene.further)}'
            "</section>")


def _task(exercise: Exercise) -> str:
    known = facts(exercise.facts)
    options = "".join(f"<li>{_inline(one)}</li>" for one in exercise.options)
    return (f"<section><h3>{exercise.number}. {html.escape(exercise.title)}</h3>"
            f"{to_html(told(exercise.task, known, hints=False))}"
            f"{f'<ul>{options}</ul>' if options else ''}"
            f"{f'<p><em>{ON_THE_PAGE}</em></p>' if exercise.picture else ''}"
            '<div class="room"></div></section>')


def to_html(text: str) -> str:
    """Paragraphs with bold, italic and code words: the Markdown that the lesson is written in."""
    blocks = (part.strip() for part in text.split("\n\n"))
    return "".join(f"<p>{_inline(block)}</p>" for block in blocks if block)


def _inline(text: str) -> str:
    escaped = html.escape(" ".join(text.split()), quote=False)
    for pattern, tag in ((CODE, "code"), (BOLD, "strong"), (ITALIC, "em")):
        escaped = pattern.sub(rf"<{tag}>\1</{tag}>", escaped)
    return escaped
