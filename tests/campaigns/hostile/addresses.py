"""Addresses of every page with parameters that nobody's page wrote, and forms filled in oddly."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import streamlit as st
from hypothesis import strategies
from streamlit.testing.v1 import AppTest

from app import state
from ngf_core.runs import RunStore
from tests.campaigns.hostile.case import TAKEN, Case, Give
from tests.campaigns.hostile.values import TEXTS, holding
from tests.support.faked import faked
from tests.support.pretended_science import pretend

ROOT = Path(__file__).parents[3]
PAGES = ("start", "lesson", "attacks", "configure", "import_model", "race", "landscape", "spectrum",
         "layers", "inside", "leaderboard", "ablation", "claim", "compare", "audit", "sweep",
         "runs")
CONTROL = re.compile(r'(?:\b(?:choose|choose_some|number|slider|text|select|ask|pick_run|'
                     r'warn_unknown)\(\s*|'
                     r'query_params(?:\.get\(|\[))"(\w+)"')
# What an address can hold: a browser sends no half of a character.
SENT = tuple(text for text in TEXTS if text.encode("utf-8", "ignore").decode() == text)
LINK, EVIL = "[x](http://evil.example)", "evil.example"
FIELDS = {"configure": ("parameters", "root", "weights"), "import_model": ("inside",),
          "sweep": ("folder",)}


def names() -> tuple[str, ...]:
    """The parameters of the pages, as their source names them."""
    found = {name for path in (ROOT / "app").rglob("*.py")
             for name in CONTROL.findall(path.read_text(encoding="utf-8"))}
    return tuple(sorted(found | {"run", "source", "attack", "class", "moves"}))


def addresses(examples: int, number: int) -> list[Case]:
    """A link in a toast on every page, odd values of the run, and what Hypothesis draws."""
    fixed = [Case("addresses", f"{page}?run={ascii(value[:30])}", _opened(page, {"run": value}),
                  TAKEN, quick=page == "runs" and value == TEXTS[12])
             for page in PAGES for value in ("../../etc/passwd", LINK, "a\0b", "x" * 5000)]
    fixed += [Case("addresses", f"{page}?runs={ascii(value[:30])}", _opened(page, {"runs": value}),
                   TAKEN, quick=page == "compare") for page in ("compare", "runs")
              for value in ("../../etc/passwd,../x", f"{LINK},{LINK}", "a\0b", "," * 5000)]
    drawn = [Case("addresses", f"{page}, drawn", _drawn(page, examples, number), TAKEN,
                  examples=examples, quick=page == "runs") for page in PAGES]
    forms = [Case("forms", f"{page}: {field} is {ascii(value[:30])}", _filled(page, field, value),
                  TAKEN, quick=False) for page, fields in FIELDS.items() for field in fields
             for value in TEXTS[:24:2]]
    return [*fixed, *drawn, *forms]


def _drawn(page: str, examples: int, number: int) -> Give:
    queries = strategies.dictionaries(strategies.sampled_from(names()), strategies.sampled_from(
        (*SENT, "-5", "0", "7", "10000000", "badnets", "signs", "ngf,sgd")), max_size=5)

    def give(folder: Path) -> str:
        with pages(folder):
            return holding(queries, lambda query: check(page, query), examples, number)(folder)
    return give


def _opened(page: str, query: dict[str, str]) -> Give:
    def give(folder: Path) -> str:
        with pages(folder):
            check(page, query)
        return TAKEN
    return give


def _filled(page: str, field: str, value: str) -> Give:
    def give(folder: Path) -> str:
        with pages(folder):
            app = open_page(page, {"dataset": "cifar10"} if field == "root" else {})
            asked = [item for item in app.text_input if item.key == field]
            if asked:
                app = asked[0].set_value(value).run()
            sound(app, (value,))
        return TAKEN
    return give


@contextlib.contextmanager
def pages(folder: Path) -> Iterator[None]:
    """Pages over an empty store, that start nothing and compute nothing."""
    store = RunStore(folder / "runs", folder / "shipped")
    with pytest.MonkeyPatch.context() as changed, \
            patch.dict("os.environ", {"NGF_RUNS": str(folder / "runs")}):
        faked(changed, state, "default_store", lambda: store)
        faked(changed, state, "class_names", lambda dataset, run: tuple("abcdefghij"))
        faked(changed, state, "layer_names", lambda arch: ("conv1", "linear"))
        pretend(changed, store)
        st.cache_resource.clear()
        st.cache_data.clear()
        yield


def open_page(page: str, query: dict[str, str]) -> AppTest:
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    app.query_params.update(query)
    if page != "start":
        app.switch_page(f"app/views/{page}.py")
    return app.run()


def check(page: str, query: dict[str, str]) -> None:
    sound(open_page(page, query), query.values())


def sound(app: AppTest, given: object) -> None:
    """No error but sentences, and nothing of what was given as HTML, a link or a picture."""
    assert not app.exception, app.exception[0].value
    shown = [*app.error, *app.info, *app.warning, *app.toast, *app.markdown, *app.caption]
    for item in shown:
        value = str(item.value)
        assert "could not be drawn" not in value, value
        assert "](http://evil" not in value or "\\[" in value, value
        assert not (getattr(item, "allow_html", False) and "alert(1)" in value), value
