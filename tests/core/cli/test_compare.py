"""`ngf compare`: one table of differences, as text and JSON, and sentences for bad input."""

import json
from pathlib import Path

import pytest

from ngf_core.cli.main import main
from ngf_core.runs import RunStore, default_store
from tests.support.fabricated_runs import make_run


@pytest.fixture
def races(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two races of 10 and 20 steps on one model, the first with its spectrum."""
    monkeypatch.setenv("NGF_RUNS", str(tmp_path))
    store = RunStore(tmp_path)
    source = make_run(store, "train").id
    made = [make_run(store, "purify", source=source, steps=steps).id for steps in (10, 20)]
    make_run(store, "spectrum", source=made[0])
    return made


def test_it_tells_settings_differences_and_refusals(races, capsys):
    assert main(["compare", *races]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"A  {races[0]}  baseline\nB  {races[1]}\n")
    assert "purification  steps    10  20\n" in out
    assert "images, one training seed" in out and "points" in out
    assert "B − A, sharpness: there is no finished spectrum in B." in out
    assert "One training seed: the interval is over the images alone" in out


def test_json_holds_what_a_program_needs(races, capsys):
    assert main(["compare", *races, "--baseline", races[1], "--model", "ngf", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["letters"] == dict(zip(races, "AB", strict=True))
    assert told["baseline"] == races[1] and told["command"].endswith(f"--baseline {races[1]}")
    assert [row["measure"] for row in told["rows"]] == ["acc", "asr", "ra"]
    assert {row["model"] for row in told["rows"]} == {"ngf"}
    assert told["settings"][0]["values"] == ["10", "20"]
    assert all(row["low"] <= row["change"] <= row["high"] for row in told["rows"])


def test_repeats_have_no_change_and_json_says_null(races, capsys):
    store = default_store()
    again = make_run(store, "purify", source=store.get(races[0]).manifest["source"], steps=10,
                     seed=1).id
    assert main(["compare", races[0], again, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert rows and all(row["change"] is None and row["base"] is None for row in rows)


def test_shipped_runs_are_compared_as_own_ones(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NGF_RUNS", str(tmp_path))
    assert main(["compare", "signs-badnets-s0-race", "signs-blend-s0-race"]) == 0
    assert "B − A, ASR and RA: the attack is blend in B and badnets in A." in \
        capsys.readouterr().out


@pytest.mark.parametrize(("words", "says"), [
    (["no-such-run", "{0}"], "There is no run no-such-run"),
    (["{0}"], "1 is named, and a comparison needs two"),
    (["{0}", "{0}"], "is named twice"),
    (["{0}", "{1}", "--baseline", "nowhere"], "nowhere is none of the runs"),
    (["{0}", "{1}", "--model", "moon"], "there is no difference of moon"),
])
def test_bad_input_is_said(races, capsys, words, says):
    assert main(["compare", *(word.format(*races) for word in words)]) == 2
    assert says in capsys.readouterr().err
