"""The scenes of the lesson, one text each, as a teacher writes them."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ngf_core.errors import NGFError

FENCE, CUT = "+++", "\n\n---\n\n"
HEADS = ("Answer", "Take home", "Notes", "Read on")
SHIPPED = Path(__file__).parents[2] / "text" / "lesson"
PAGES = sorted(path.stem for path in SHIPPED.parents[1].glob("views/[a-z]*.py"))
NEEDED = ("title", "picture", "question", "options")


@dataclass(frozen=True)
class Scene:
    """One scene.

    name: of its file, without number and ending: the scene's word in the address. picture: its word
    in the registry of pictures. right: which option turned out to be so, from 1; 0 where the
    question has no right answer. facts: name -> where the number stands (`app.read.lesson.facts`).
    live: the `page` where the same is computed instead of replayed, how long that `takes`, and what
    opens it there. in_hall: what a hall sees of the answer.
    """

    name: str
    title: str
    picture: str
    question: str
    options: tuple[str, ...]
    opening: str
    answer: str
    home: str
    right: int = 0
    notes: str = ""
    further: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    live: Mapping[str, str] = field(default_factory=dict)
    in_hall: str = ""


def folder() -> Path:
    """Where the scenes lie: NGF_LESSON, else those that are shipped."""
    return Path(os.environ.get("NGF_LESSON") or SHIPPED)


def scenes(place: Path | None = None) -> tuple[Scene, ...]:
    """All scenes, NN_name.md, in the order of their files' names.

    Raises NGFError where a file cannot be read as a scene, where two have one name, and where there
    is none.
    """
    found, faults = readable(place)
    if faults:
        raise NGFError(faults[0])
    return found


def readable(place: Path | None = None) -> tuple[tuple[Scene, ...], tuple[str, ...]]:
    """The scenes that can be read, and what is wrong with each file that cannot.

    Raises NGFError where there is no scene.
    """
    found: dict[str, Scene] = {}
    faults = []
    for file in sorted((place or folder()).glob("[0-9][0-9]_*.md")):
        try:
            scene = read(file.name, _text(file))
        except NGFError as error:
            faults.append(str(error))
            continue
        if scene.name in found:
            faults.append(f"Two scenes of the lesson are called {scene.name}. Give one file "
                          "another name behind its number.")
        found.setdefault(scene.name, scene)
    if not found:
        raise NGFError(" ".join(faults) or f"The lesson has no scene: {place or folder()} holds no "
                       "file NN_name.md. Put one there; the shipped ones are examples.")
    return tuple(found.values()), tuple(faults)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[:error.start].count(b"\n") + 1
        raise NGFError(f"The scene {file.name} is not in UTF-8 (line {line}). Save it with that "
                       "encoding.") from None


def read(file: str, text: str) -> Scene:
    """The scene in a file: settings in TOML between two lines of +++, the text before the answer,
    and the sections Answer, Take home and, where wanted, Notes and Read on.

    Raises NGFError that names the file and what is wrong in it.
    """
    parts = text.replace("\r\n", "\n").split(f"{FENCE}\n", 2)
    if len(parts) != 3 or parts[0].strip():
        raise NGFError(f"The scene {file} does not begin with its settings. Put them between two "
                       f"lines of {FENCE} at its top.")
    try:
        settings = tomllib.loads(f"\n{parts[1]}")  # the fence is the file's first line
    except tomllib.TOMLDecodeError as error:
        raise NGFError(f"The settings of the scene {file} are not TOML: {error}. Compare with "
                       "another scene.") from None
    opening, *blocks = f"\n{parts[2]}".split("\n## ")
    sections = {head.strip(): body.strip() for head, _, body in (b.partition("\n") for b in blocks)}
    _check(file, settings, sections)
    return Scene(name=file.removesuffix(".md").partition("_")[2], opening=opening.strip(),
                 answer=_whole(sections["Answer"]), in_hall=sections["Answer"].partition(CUT)[0],
                 home=sections["Take home"],
                 notes=sections.get("Notes", ""), further=sections.get("Read on", ""),
                 **(settings | {"options": tuple(settings["options"])}))


def _whole(answer: str) -> str:
    return answer.replace(CUT, "\n\n")


def _check(file: str, settings: Mapping[str, Any], sections: Mapping[str, str]) -> None:
    known = {*NEEDED, "right", "facts", "live"}
    options = settings.get("options")
    problems = [f"it has no {name}" for name in NEEDED if not settings.get(name)]
    problems += [f"{name} is no setting of a scene" for name in settings if name not in known]
    problems += [f"it has no section “{head}”" for head in HEADS[:2] if not sections.get(head)]
    problems += [f"“{head}” is no section of a scene" for head in sections if head not in HEADS]
    if options and not (isinstance(options, list) and 2 <= len(options) <= 5
                        and all(isinstance(one, str) for one in options)):
        problems.append("options must be two to five texts")
    elif options and settings.get("right", 0) not in range(len(options) + 1):
        problems.append(f"right must be 0 or the number of an option, 1 to {len(options)}")
    live = settings.get("live", {})
    if live and not (isinstance(live, Mapping) and live.get("page") in PAGES
                     and all(isinstance(one, str) for one in live.values())):
        problems.append(f"live needs texts, and a page among {', '.join(PAGES)}")
    if problems:
        raise NGFError(f"The scene {file} cannot be shown: {'; '.join(problems)}. Settings are "
                       f"{', '.join(sorted(known))}; sections are {', '.join(HEADS)}.")
