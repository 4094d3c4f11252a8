"""The report opens offline, is drawn, and holds no HTML of data."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from ngf_core.bundle import report as module
from ngf_core.bundle.contents import contents
from ngf_core.errors import NGFError
from ngf_core.runs import RunStore
from ngf_core.runs.manifest import change_manifest
from tests.core.bundle.conftest import PLOTLY
from tests.support.fabricated_runs import make_run

HOSTILE = "\"></td></script><script>alert(1)</script><img src=x onerror=alert(2)>@BODY@"


class Page(HTMLParser):
    """The elements of a page with their attributes, the text of its scripts, and its prose."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.prose, self._inside = [], [], "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.prose += data


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return RunStore(tmp_path_factory.mktemp("reported"))


def page_of(run, store):
    return Page(contents([run], store)["report.html"].decode())


def test_hostile_words_stay_words(store):
    train = make_run(store, "import", file=HOSTILE, file_sha="0" * 64)
    race = make_run(store, "train")
    for run in (train, race):
        manifest = run.manifest
        change_manifest(run.path, device=HOSTILE, versions={HOSTILE: HOSTILE}, git={"sha": HOSTILE},
                        results=manifest["results"] | {HOSTILE: {"acc": {"hits": 1, "n": 2},
                                                                 HOSTILE: HOSTILE}})
        page = page_of(run, store)
        names = [tag for tag, _ in page.elements]
        assert names.count("script") == 3 and names.count("html") == 1
        assert not {"img", "iframe", "object", "link", "base", "form"} & set(names)
        assert not [attrs for _, attrs in page.elements
                    if any(name.startswith("on") for name in attrs)]
        assert page.prose.count(HOSTILE) >= 4


def audit(store, seed=0, **fields):
    race = make_run(store, "purify", source=make_run(store, "train", seed=seed).id)
    return make_run(store, "audit", source=race.id, **fields)


def test_several_audits_are_judged_together(store):
    pages = [Page(contents(audits, store)["report.html"].decode()) for audits in (
        [audit(store, seed) for seed in range(3)], [audit(store)])]
    several, alone = (" ".join(page.prose.split()) for page in pages)
    assert "3 audits, judged togetherSharper: λ_max" in several
    assert several.count("No verdict. 1 training seed") == 3, "of each alone"
    assert "judged together" not in alone


def test_audits_of_one_model_have_no_common_verdict(store):
    first = audit(store)
    runs = [first, make_run(store, "audit", source=first.config.source, samples=50)]
    prose = " ".join(Page(contents(runs, store)["report.html"].decode()).prose.split())
    assert ("2 audits, judged togetherThey cannot be judged together: two of them start from one "
            "model") in prose


def test_hostile_words_in_figures_stay_data(store):
    race = make_run(store, "landscape")
    page = page_of(race, store)
    figures = json.loads(page.scripts[0])
    assert any(figure["file"].endswith("surfaces") for figure in figures.values())
    inert = module._inert({"name": HOSTILE})
    assert "<" not in inert and json.loads(inert) == {"name": HOSTILE}


def test_only_its_own_scripts_may_run_and_nothing_is_fetched(store):
    page = page_of(make_run(store, "spectrum"), store)
    policy = next(attrs["content"] for tag, attrs in page.elements if tag == "meta"
                  and attrs.get("http-equiv") == "Content-Security-Policy")
    allowed = re.findall(r"'sha256-([^']+)'", policy)
    assert sorted(allowed) == sorted(
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in page.scripts[1:])
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert not [attrs for _, attrs in page.elements if "src" in attrs]
    links = [attrs["href"] for _, attrs in page.elements if "href" in attrs]
    assert links and all(link.startswith(("#", "figures/")) for link in links)


def test_every_figure_has_its_place_and_its_table(store):
    race = make_run(store, "layers")
    files = contents([race], store)
    page = Page(files["report.html"].decode())
    places = {attrs["id"] for _, attrs in page.elements if attrs.get("class") == "plot"}
    figures = json.loads(page.scripts[0])
    assert places == set(figures) and len(places) == 7
    assert all(f"figures/{figure['file']}.csv" in files for figure in figures.values())


def test_it_names_what_was_measured_and_where(store):
    run = make_run(store, "train", seed=3)
    prose = page_of(run, store).prose
    for words in ("as trained", "ACC", "1,000", "Threads", "2", "torch", "Seeds",
                  "python -m ngf_core train", "--seed 3"):
        assert words in prose, words


@pytest.mark.parametrize(("value", "text"), [
    (0.0, "0"), (12345.678, "12,346"), (0.001234567, "0.0012346"), (3e12, "3e+12"), (7, "7"),
    (1000000, "1,000,000"), (float("nan"), "nan"), (-2.5, "-2.5"), (100.0, "100")])
def test_numbers_as_people_write_them(value, text):
    assert module._number(value) == text


def test_plotly_is_embedded_or_it_says_what_to_install(monkeypatch):
    text = PLOTLY()
    assert len(text) > 3e6 and "Plotly" in text and "</script" not in text.lower()
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(NGFError, match=r"pip install 'ngf-lab\[app\]'"):
        PLOTLY()
