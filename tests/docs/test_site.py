"""The site builds without a warning and fetches nothing."""

import re
import subprocess
import sys

import pytest
from mkdocs.exceptions import PluginError

from docs.hooks import fields, included
from ngf_core.config import TrainConfig
from ngf_core.purify.registry import PURIFIERS
from tests.docs.pages import ROOT

FETCHED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\b"
                     r"(?:src|href)=[\"']?(?:https?:)?//|@import|url\([\"']?(?:https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", folder],
                          cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_it_fetches_nothing(site):
    pages = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(pages) > 20
    assert not [page.name for page in pages if FETCHED.search(page.read_text(encoding="utf-8"))]


def test_tables_are_included_and_formulas_drawn(site):
    results = (site / "results.html").read_text(encoding="utf-8")
    assert "85.6\u00a0[70.8,\u00a0100.0]" in results and "include assets" not in results
    method = (site / "method.html").read_text(encoding="utf-8")
    assert method.count("<math") >= 20 and "\\lambda" not in method and "\\frac" not in method


def test_an_inclusion_is_a_file_or_one_block_of_it():
    report = "<!-- include assets/benchmark/report.md | | rank | -->"
    assert included(f"Before\n\n{report}\n").startswith("Before\n\n| rank | defense |")
    with pytest.raises(PluginError, match="0 blocks of assets/benchmark/report.md begin with"):
        included("<!-- include assets/benchmark/report.md | no such block -->")
    with pytest.raises(PluginError, match="no/such.md, which a page includes, does not exist"):
        included("<!-- include no/such.md -->")


def test_the_table_of_fields_says_what_a_setting_may_be():
    rows = fields(TrainConfig).splitlines()
    assert rows[0] == "`TrainConfig`: Train one model, benign (attack `none`) or backdoored."
    (rate,) = (row for row in rows if row.startswith("| `poison_rate` |"))
    assert rate.startswith("| `poison_rate` | `0.08` | 0.001 to 0.5 | poisoned share of all")
    (strength,) = (row for row in rows if row.startswith("| `strength` |"))
    assert "| `'default'` | default, published |" in strength


def test_every_settings_class_is_in_the_reference(site):
    methods = (site / "api/methods.html").read_text(encoding="utf-8")
    for entry in PURIFIERS.values():
        assert f"<code>{entry.settings.__name__}</code>" in methods, entry.title
    assert "first KL bound of a step" in methods


def test_the_links_of_the_readme_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(links) > 12 and not [link for link in links if not (ROOT / link).exists()]
