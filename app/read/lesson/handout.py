"""The lesson on paper: one HTML file without scripts or anything from outside."""

import html
import re
from collections.abc import Sequence

import pandas as pd

from app.figures.samples import strip
from app.figures.triggers import data_url
from app.read.lesson.exercise import Exercise
from app.read.lesson.facts import WORD, facts, told
from app.read.lesson.material import Material, layers_left, material
from app.read.lesson.on_paper import asked_about, turned_out
from app.read.lesson.scene import Scene
from app.text import define, sections

STYLE = """
body { font: 11pt/1.45 Georgia, serif; max-width: 42em; margin: 2em auto; padding: 0 1em; }
h1, h2, h3 { font-family: Helvetica, Arial, sans-serif; line-height: 1.2; break-after: avoid; }
h2 { margin-top: 2em; } section { break-inside: avoid-page; }
.question { border-left: 3px solid #0072B2; padding-left: 1em; } .home { font-weight: bold; }
.room { height: 5em; border-bottom: 1px solid #999; }
pre { font-size: 9pt; white-space: pre-wrap; background: #f4f4f4; padding: 0.7em; }
.pictures { display: flex; flex-wrap: wrap; gap: 1em; }
figure { margin: 0; width: 9em; font-size: 9pt; }
figure img { width: 100%; image-rendering: pixelated; }
table { border-collapse: collapse; font-size: 9.5pt; margin: 1em 0; }
th, td { border-bottom: 1px solid #999; padding: 0.2em 1em 0.2em 0; text-align: left; }
.name { border-bottom: 1px solid #999; padding-top: 1.5em; }
dt { font-weight: bold; float: left; clear: left; margin-right: 0.5em; }
dd { margin: 0 0 0.4em; font-size: 10pt; }
@page { margin: 18mm; @bottom-center { content: counter(page); } }
@media print { body { margin: 0; max-width: none; } .part { break-before: page; } }
"""
NAME = '<p class="name">Name:</p>'
TEXT = sections("lesson")
CODE, BOLD, ITALIC = (re.compile(part) for part in (r"`([^`]+)`", r"\*\*(.+?)\*\*", r"\*(.+?)\*"))


def handout(scenes: Sequence[Scene], exercises: Sequence[Exercise]) -> str:
    """The questions of the scenes and the tasks, with room to write, and on pages of their own,
    which may be given out later, what turned out and the answers."""
    parts = ["<h1>NGF Lab: the lesson</h1>", NAME, _aside("teacher"),
             _words(scenes, exercises)]
    parts += [_question(number, scene) for number, scene in enumerate(scenes, start=1)]
    parts.append('<h1 class="part">Exercises</h1>')
    level = ""
    for one in exercises:
        if one.level != level:
            level = one.level
            parts.append(f"<h2>{html.escape(level)}</h2>")
        parts.append(_task(one))
    hints = "".join(f"<li>{_inline(one.hint)}</li>" for one in exercises)
    parts.append(f"<section><h2>Hints</h2><ol>{hints}</ol></section>")
    answers = "".join(f"<li>{html.escape(answer(one))}{one.why and '. ' + _inline(one.why)}</li>"
                      for one in exercises)
    parts.append(f'<h1 class="part">What turned out</h1>{_aside("pictures")}')
    parts += [_answer(number, scene) for number, scene in enumerate(scenes, start=1)]
    parts.append(f"<section><h2>Answers to the exercises</h2><ol>{answers}</ol></section>")
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f"<title>NGF Lab: the lesson</title><style>{STYLE}</style></head><body>"
            f"{''.join(parts)}</body></html>\n")


def _aside(name: str) -> str:
    return f"<p><em>{html.escape(TEXT[f'paper {name}'])}</em></p>"


def _words(scenes: Sequence[Scene], exercises: Sequence[Exercise]) -> str:
    """What the words mean that are a hover away on the page."""
    texts = [text for scene in scenes
             for text in (scene.opening, scene.question, scene.answer, scene.further)]
    texts += [one.task for one in exercises]
    words = dict.fromkeys(found[2] or found[1] for text in texts for found in WORD.finditer(text))
    if not words:
        return ""
    return "<h2>Words</h2><dl>" + "".join(
        f"<dt>{html.escape(word)}</dt><dd>{_inline(define(word))}</dd>"
        for word in sorted(words, key=str.casefold)) + "</dl>"


def answer(exercise: Exercise) -> str:
    """An exercise's answer in words."""
    if exercise.fact:
        return str(facts(exercise.facts)[exercise.fact])
    if exercise.within:
        return _good_layers(exercise)
    return exercise.answer or "Several answers are good; the page scores yours."


def _good_layers(exercise: Exercise) -> str:
    left, best = layers_left(exercise.runs[0])
    good = [f"{layer} ({asr.percent()})" for layer, asr in left.items()
            if 100 * (asr.value - left[best].value) <= exercise.within]
    return f"A good choice is any of these, with the ASR that it leaves: {', '.join(good)}."


def _question(number: int, scene: Scene) -> str:
    options = "".join(f"<li>{_inline(one)}</li>" for one in _said(scene, *scene.options))
    opening, question = map(to_html, _said(scene, scene.opening, scene.question))
    return (f"<section><h2>{number}. {html.escape(scene.title)}</h2>{opening}"
            f"{_drawn(asked_about(scene.picture))}"
            f'<div class="question">{question}<ol>{options}</ol></div></section>')


def _answer(number: int, scene: Scene) -> str:
    options, told_so = _said(scene, *scene.options), ""
    if scene.right:
        told_so = f"<p><strong>{scene.right}. {_inline(options[scene.right - 1])}</strong></p>"
    answer, home, further = map(to_html, _said(scene, scene.answer, scene.home, scene.further))
    return (f"<section><h2>{number}. {html.escape(scene.title)}</h2>{told_so}{answer}"
            f"{_drawn(turned_out(scene.picture))}"
            f'<div class="home">{home}</div>{further}</section>')


def _said(scene: Scene, *texts: str) -> list[str]:
    known = facts(scene.facts)
    return [told(text, known, hints=False) for text in texts]


def _task(exercise: Exercise) -> str:
    known = facts(exercise.facts)
    options = "".join(f"<li>{_inline(one)}</li>" for one in exercise.options)
    return (f"<section><h3>{exercise.number}. {html.escape(exercise.title)}</h3>"
            f"{_aside('trigger') if exercise.psnr else ''}"
            f"{to_html(told(exercise.task, known, hints=False))}"
            f"{_drawn(material(exercise))}"
            f"{f'<ul>{options}</ul>' if options else ''}"
            '<div class="room"></div></section>')


def _drawn(found: Material | None) -> str:
    """A table, or pictures with their words, as HTML that needs nothing from outside."""
    if found is None:
        return ""
    if isinstance(found, pd.DataFrame):
        return found.to_html(index=False, border=0, justify="left")
    drawn = (f'<figure><img src="{data_url(strip(one.image[None], 1))}" '
             f'alt="{html.escape(one.alt)}"><figcaption>{_inline(one.words)}</figcaption></figure>'
             for one in found)
    return f'<div class="pictures">{"".join(drawn)}</div>'


def to_html(text: str) -> str:
    """Paragraphs and lists with bold, italic and code words: the Markdown of the lesson."""
    return "".join(map(_block, filter(None, (part.strip() for part in text.split("\n\n")))))


def _block(text: str) -> str:
    if not text.startswith("- "):
        return f"<p>{_inline(text)}</p>"
    points = f"\n{text}".split("\n- ")[1:]
    return f"<ul>{''.join(f'<li>{_inline(point)}</li>' for point in points)}</ul>"


def _inline(text: str) -> str:
    escaped = html.escape(" ".join(text.split()), quote=False)
    for pattern, tag in ((CODE, "code"), (BOLD, "strong"), (ITALIC, "em")):
        escaped = pattern.sub(rf"<{tag}>\1</{tag}>", escaped)
    return escaped
