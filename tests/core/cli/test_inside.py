"""`ngf inside`: on a small run, and sentences for bad input."""

import json

import pytest

from ngf_core.cli.main import main


@pytest.fixture
def here(race, runs, monkeypatch):
    monkeypatch.setenv("NGF_RUNS", str(runs.root))
    return race.id


def test_it_prints_every_model(here, capsys):
    assert main(["inside", here]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()[1:4]] == ["before", "ngf", "sgd"]
    assert "n = 20 clean and 18 triggered test images, seed 0" in out


def test_json_is_for_programs_and_latest_is_found(here, capsys):
    assert main(["inside", "latest", "--images", "20", "--layer", "stem", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["run"] == here and made["layer"] == "stem"
    assert made["command"] == f"python -m ngf_core inside {here} --images 20 --layer stem"


@pytest.mark.parametrize(("words", "what"), [
    (["nowhere"], "There is no run nowhere here"),
    (["latest", "--images", "5"], "images: 5 is out of range"),
    (["latest", "--layer", "conv9"], "layer: this network has no layer 'conv9'")])
def test_bad_input_is_a_sentence(here, capsys, words, what):
    assert main(["inside", *words]) == 2
    told = capsys.readouterr()
    assert what in told.err and not told.out
