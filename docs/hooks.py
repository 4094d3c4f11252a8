"""What `mkdocs build` does to the pages besides: inclusions, pictures from assets/, formulas.

An inclusion is a line

    <!-- include FILE -->              the whole file, its path counted from the repository
    <!-- include FILE | BEGINNING -->  its one block (between blank lines) that begins like this

so that a table stands in one place, where the command that computed it wrote it. A line

    <!-- fields MODULE.CLASS -->

becomes the table of a settings class: name, default, what it may be, and its help.
"""

import dataclasses
import html
import re
import sys
from importlib import import_module
from pathlib import Path

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

REPOSITORY = Path(__file__).resolve().parents[1]
PICTURES = ("assets/icon.png", "assets/screenshot.png")
INCLUSION = re.compile(r"^<!-- include (\S+)(?: \| (.+))? -->$", re.MULTILINE)
FIELDS = re.compile(r"^<!-- fields ([\w.]+)\.(\w+) -->$", re.MULTILINE)
# Where a table's value and its interval, deviation or sign meet.
UNBROKEN = re.compile(r"(?<=[\d,\]±○✓✗]) (?=[\d\[±+−-])")
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_startup(**_: object) -> None:
    """Finds ngf_core where it is not installed."""
    sys.path.insert(0, str(REPOSITORY))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The pictures that the README shows too."""
    for picture in PICTURES:
        files.append(File.generated(config, picture, abs_src_path=str(REPOSITORY / picture)))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """The page with its inclusions and tables of fields."""
    return FIELDS.sub(lambda found: fields(getattr(import_module(found[1]), found[2])),
                      included(markdown))


def on_page_content(content: str, **_: object) -> str:
    """The page with its formulas as MathML, which browsers draw without a script or a font."""
    return FORMULA.sub(lambda found: _drawn(html.unescape(found[2]).strip(), found[1] == "div"),
                       content)


def _drawn(formula: str, display: bool) -> str:
    if not display:
        return convert(formula)
    return f'<div class="formula">{convert(formula, display="block")}</div>'


def included(markdown: str) -> str:
    """`markdown` with its inclusions. Raises PluginError for one that is not there exactly once."""
    return INCLUSION.sub(lambda found: _block(found[1], found[2]), markdown)


def fields(settings: type) -> str:
    """The table of a dataclass whose fields are made by `ngf_core.options.option`."""
    rows = [f"`{settings.__name__}`: {settings.__doc__}", "",
            "| field | default | allowed | meaning |", "| --- | --- | --- | --- |"]
    for field in dataclasses.fields(settings):
        told = field.metadata
        allowed = ", ".join(map(str, told["choices"] or ())) or (
            "" if told["low"] is None else f"{told['low']:,} to {told['high']:,}")
        rows.append(f"| `{field.name}` | `{_plain(field.default)}` | {allowed} | {told['help']} |")
    return "\n".join(rows)


def _plain(value: object) -> str:
    """A default as one writes it; methods by their names."""
    if isinstance(value, tuple):
        return ", ".join(getattr(part, "method", str(part)) for part in value)
    return repr(value)


def _block(file: str, beginning: str | None) -> str:
    path = REPOSITORY / file
    if not path.is_file():
        raise PluginError(f"{file}, which a page includes, does not exist.")
    content = path.read_text(encoding="utf-8").strip()
    blocks = [block for block in content.split("\n\n") if block.startswith(beginning or "")]
    if beginning is not None and len(blocks) != 1:
        raise PluginError(f"{len(blocks)} blocks of {file} begin with {beginning!r}; a page "
                          "includes the one that does.")
    return "\n\n".join(UNBROKEN.sub("\u00a0", block) if block.startswith("|") else block
                       for block in blocks)
