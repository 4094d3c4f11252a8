"""The exercises: one text, from which the page, the handout and the notebook are made."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.read.lesson.scene import FENCE, SHIPPED, folder
from ngf_core.errors import NGFError

FILE = "exercises.md"
START, END = "```python\n", "\n```"
SETTINGS = {"picture", "run", "runs", "options", "answer", "fact", "unit", "tolerance", "facts",
            "within", "psnr", "asr"}


@dataclass(frozen=True)
class Exercise:
    """One task.

    level: the heading it stands under. options and answer: of a choice. fact, unit, tolerance: the
    number that is asked for, among `facts`. picture: what is shown with it, of `runs`. within,
    psnr, asr: what a layer or a trigger has to reach. solution: code that ends with `answer`. why:
    what the answer shows, told where it is right.
    """

    number: int
    level: str
    title: str
    task: str
    hint: str
    solution: str
    options: tuple[str, ...] = ()
    answer: str = ""
    fact: str = ""
    unit: str = ""
    tolerance: float = 0.0
    facts: Mapping[str, str] = field(default_factory=dict)
    picture: str = ""
    runs: tuple[str, ...] = ()
    within: float = 0.0
    psnr: float = 0.0
    asr: float = 0.0
    why: str = ""


def exercises(text: str | None = None) -> tuple[Exercise, ...]:
    """The exercises in their order. Raises NGFError that names the one that cannot be read."""
    if text is None:
        own = folder() / FILE
        text = (own if own.exists() else SHIPPED / FILE).read_text(encoding="utf-8")
    found: list[Exercise] = []
    for level in f"\n{text}".split("\n## ")[1:]:
        heading, _, rest = level.partition("\n")
        for part in f"\n{rest}".split("\n### ")[1:]:
            found.append(_read(len(found) + 1, heading.strip(), part))
    return tuple(found)


def _read(number: int, level: str, part: str) -> Exercise:
    title, _, rest = part.partition("\n")
    pieces = rest.split(f"{FENCE}\n", 2)
    if len(pieces) != 3:
        raise NGFError(f"The exercise “{title}” has no settings. Put them between two lines of "
                       f"{FENCE} below its title.")
    try:
        given = tomllib.loads(pieces[1])
    except tomllib.TOMLDecodeError as error:
        raise NGFError(f"The settings of the exercise “{title}” are not TOML: {error}.") from None
    task, *sections = pieces[2].split("\n#### ")
    named = {head.strip(): body.strip() for head, _, body in (s.partition("\n") for s in sections)}
    code = named.get("Solution", "")
    parts = set(named) - {"Why"}
    if set(given) - SETTINGS or parts != {"Hint", "Solution"} or not code.startswith(START):
        raise NGFError(f"The exercise “{title}” cannot be shown. Its settings may be "
                       f"{', '.join(sorted(SETTINGS))}; it needs the sections Hint and Solution, "
                       "and in the latter a block of Python, and may have a section Why.")
    runs = tuple(given.pop("runs", ())) or tuple(filter(None, [given.get("run")]))
    given.pop("run", None)
    return Exercise(number, level, title.strip(), task.strip(), named["Hint"],
                    code.removeprefix(START).removesuffix(END), runs=runs, why=named.get("Why", ""),
                    **(given | {"options": tuple(given.get("options", ()))}))
