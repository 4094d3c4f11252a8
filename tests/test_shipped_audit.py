"""The audit that ships: what its bundle holds, and that the text beside it is the bundle's."""

import html
import zipfile

import pytest

from ngf_core.bundle.opened import read_bundle
from ngf_core.config import AuditConfig
from ngf_core.evidence import audit_report
from ngf_core.paths import shipped

FOLDER = shipped("assets", "audits")


@pytest.fixture(scope="module")
def runs():
    with read_bundle(FOLDER / "signs-ngf.zip") as found:
        yield {run.id: (run.kind, run.manifest, run.config) for run in found}


def test_it_is_four_attacks_by_three_seeds_of_clean_commits(runs):
    units = [manifest["results"]["unit"] for kind, manifest, _ in runs.values() if kind == "audit"]
    assert len({(unit["attack"], unit["seed"]) for unit in units}) == len(units) == 12
    assert len({unit["attack"] for unit in units}) == 4 and {u["seed"] for u in units} == {0, 1, 2}
    assert [run for run, (_, manifest, _) in runs.items() if manifest["git"]["dirty"]] == []


def test_the_text_beside_it_says_what_the_runs_say(runs):
    audits = {config.source: manifest["results"] for kind, manifest, config in runs.values()
              if isinstance(config, AuditConfig)}
    head, _, told = (FOLDER / "signs-ngf.txt").read_text(encoding="utf-8").partition("\n\n")
    words = head.removeprefix("python -m ngf_core audit ").split()
    sources = words[:words.index("--samples")]
    assert told.strip() == audit_report.text([audits.pop(source) for source in sources]).strip()
    assert not audits


def test_the_report_gives_the_verdict_of_the_text():
    with zipfile.ZipFile(FOLDER / "signs-ngf.zip") as bundle:
        report = html.unescape(bundle.read("report.html").decode())
    verdict, means = (FOLDER / "signs-ngf.txt").read_text(encoding="utf-8").split("\n\n")[1:3]
    assert f"<pre>{verdict}\n\n{means}</pre>" in report
