"""The prose of the pages, kept as Markdown beside this file."""

import functools
from importlib.resources import files


@functools.cache
def sections(name: str) -> dict[str, str]:
    """The sections of `name`.md by their second-level heading.

    Raises FileNotFoundError where there is no such file.
    """
    content = files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8")
    blocks = ("\n" + content).split("\n## ")[1:]
    return {head.strip(): body.strip() for head, _, body in (b.partition("\n") for b in blocks)}


def define(word: str) -> str:
    """The glossary's definition of a word, for the help of a tile or a control."""
    return sections("glossary")[word]


def define_all(*words: str) -> str:
    """The glossary's definitions of several words, one paragraph each."""
    return "\n\n".join(f"**{word}**: {define(word)}" for word in words)
