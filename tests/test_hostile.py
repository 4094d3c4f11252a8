"""A part of the hostile campaign, and that its judge sees what it looks for."""

import json
import os
from functools import cache
from pathlib import Path

import pytest

from ngf_core.cli.main import _MORE
from ngf_core.config import CONFIGS
from ngf_core.imports.aside import Lost, aside
from tests.campaigns.hostile.__main__ import added
from tests.campaigns.hostile.all_cases import all_cases
from tests.campaigns.hostile.case import TAKEN, Case
from tests.campaigns.hostile.commands import COMMANDS
from tests.campaigns.hostile.judge import judge
from tests.core.imports.test_aside import WITHOUT
from tests.support.forked import forked

RESULTS = Path(__file__).parent / "campaigns/results/hostile.json"
# Every so many of a subject's cases are given here; all of them by `make hostile`.
EVERY = {"pickles": 14, "zips": 6, "safetensors": 7, "tensors": 9, "images": 14, "configs": 7,
         "drawings": 5, "bundles": 60, "manifests": 16, "command line": 7, "addresses": 1}


@cache
def cases() -> list[Case]:
    """Made when a test asks: they take seconds, and every worker collects this file."""
    return all_cases(examples=5, seed=0)


@pytest.mark.parametrize("subject, every", EVERY.items())
def test_nothing_is_run_nothing_ends_and_every_fault_is_named(subject, every):
    given = [case for case in cases() if case.subject == subject and case.quick][::every]
    assert given
    wrong = {case.name: verdict.wrong for case in given if (verdict := judge(case, False)).wrong}
    assert wrong == {}


def test_cases_have_names_of_their_own_and_there_are_enough():
    names = [(case.subject, case.name) for case in cases()]
    assert len(names) == len(set(names)) >= 300


def test_every_command_has_hostile_lines():
    assert {name.split()[0] for name in COMMANDS if name} == {*CONFIGS, *_MORE, "runs"}


def test_the_last_campaign_found_nothing():
    told = json.loads(RESULTS.read_text())
    assert told["total"]["cases"] >= 300 and told["wrong"] == {}
    assert told["total"].get("executed", 0) == told["total"].get("died", 0) == 0


def go(command="c", seconds=1, **wrong):
    counts = {"cases": 2, "wrong": len(wrong)}
    return {"command": command, "environment": {}, "goes": 1, "fresh": False, "seconds": seconds,
            "subjects": {name: counts for name in (wrong or {"zips": ""})}, "total": counts,
            "wrong": {f"{name}: x": why for name, why in wrong.items()}}


def test_goes_become_one_report():
    earlier = added(go(), go(seconds=5, forms="old", images="bad"))
    told = added(go(seconds=2, forms="new"), earlier)
    assert told["wrong"] == {"images: x": "bad", "forms: x": "new"}
    assert list(told["subjects"]) == ["forms", "images", "zips"]
    assert (told["total"], told["goes"], told["seconds"]) == ({"cases": 6, "wrong": 3}, 3, 8)
    with pytest.raises(ValueError, match="command is c, and in the earlier report d"):
        added(go(), go(command="d"))


def test_the_forked_door_gives_up_and_bounds_what_a_new_process_does(tmp_path, monkeypatch):
    monkeypatch.setenv("NGF_TOKEN", "sesame")
    (tmp_path / "secret").write_text("sesame")
    (tmp_path / "file").write_text("sent")
    for name in ("folder", "other"):
        (tmp_path / name).mkdir()
    with forked():
        found = aside("tests.support.prying:pry", tmp_path / "file", tmp_path / "folder",
                      str(tmp_path / "secret"), "9", memory_gb=1.0, seconds=60.0)
        with pytest.raises(Lost):
            aside("tests.support.unruly:fill", tmp_path / "file", tmp_path / "other",
                  memory_gb=0.01, seconds=60.0)
    assert found["see the token"] == "KeyError" and os.environ["NGF_TOKEN"] == "sesame"
    assert found["write into the folder"] == "done"
    if not WITHOUT:
        assert found["read a secret"] == found["start a program"] == "PermissionError"


def said(sentence):
    return lambda folder: sentence


def ran(folder):
    (folder / "EXECUTED").mkdir()
    return TAKEN


def changed(folder):
    os.environ["NGF_EXECUTED"] = "1"
    return TAKEN


def ended(folder):
    os._exit(3)


def failed(folder):
    raise TypeError("unhashable")


@pytest.mark.parametrize("give, wrong", [
    (said("file: is damaged"), ""), (said("seed: is odd"), "it says 'seed: is odd'"),
    (said("file: Something unexpected happened"), "no fault is named"),
    (ran, "it ran: EXECUTED"), (changed, "it ran: NGF_EXECUTED"),
    (ended, "the process ended with 3"), (failed, "TypeError: unhashable")])
def test_the_judge_sees_it(give, wrong):
    found = judge(Case("own", "own", give, "^file: "), thoroughly=False).wrong
    assert found.startswith(wrong) and bool(found) == bool(wrong)
