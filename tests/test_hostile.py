"""A part of the hostile campaign, and that its judge sees what it looks for."""

import json
import os
from pathlib import Path

import pytest

from tests.campaigns.hostile.all_cases import all_cases
from tests.campaigns.hostile.case import TAKEN, Case
from tests.campaigns.hostile.judge import judge

RESULTS = Path(__file__).parent / "campaigns/results/hostile.json"
CASES = all_cases(examples=5, seed=0)
# Every so many of a subject's cases are given here; all of them by `make hostile`.
EVERY = {"pickles": 14, "zips": 6, "safetensors": 7, "tensors": 9, "images": 14, "configs": 7,
         "manifests": 16, "command line": 7, "addresses": 1}


@pytest.mark.parametrize("subject, every", EVERY.items())
def test_nothing_is_run_nothing_ends_and_every_fault_is_named(subject, every):
    given = [case for case in CASES if case.subject == subject and case.quick][::every]
    assert given
    wrong = {case.name: verdict.wrong for case in given if (verdict := judge(case, False)).wrong}
    assert wrong == {}


def test_cases_have_names_of_their_own_and_there_are_enough():
    names = [(case.subject, case.name) for case in CASES]
    assert len(names) == len(set(names)) >= 300


def test_the_last_campaign_found_nothing():
    told = json.loads(RESULTS.read_text())
    assert told["total"]["cases"] >= 300 and told["wrong"] == {}
    assert told["total"].get("executed", 0) == told["total"].get("died", 0) == 0


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
