"""`ngf audit`: what is measured already is not measured again, and one table for several pairs."""

import json

import pytest

from ngf_core.cli.main import main
from ngf_core.config import AuditConfig
from tests.support.fabricated_runs import make_run


@pytest.fixture
def audited(tmp_path, monkeypatch):
    """Three races of three seeds, each with a finished audit."""
    from ngf_core.runs import RunStore

    monkeypatch.setenv("NGF_RUNS", str(tmp_path))
    store, races = RunStore(tmp_path), []
    for seed in range(3):
        race = make_run(store, "purify", source=make_run(store, "train", seed=seed).id)
        make_run(store, "audit", source=race.id)
        races.append(race.id)
    return races


def test_three_seeds_are_judged_together(audited, capsys):
    assert main(["audit", *audited]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Sharper: λ_max, the trace") and err.count("measured this already") == 3
    assert "after / before" in out and out.count("PyHessian 0.1") == 3


def test_one_seed_has_no_verdict(audited, capsys):
    assert main(["audit", audited[0]]) == 0
    assert capsys.readouterr().out.startswith("No verdict.\n1 training seed: ")


def test_json_has_verdict_and_numbers(audited, capsys):
    assert main(["audit", *audited, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"]["word"] == "sharper" and len(told["pairs"]) == 3
    assert told["pairs"][0]["measures"]["lambda_max"]["before"]["value"] == 10.0


def test_a_run_shows_itself_as_an_audit(audited, capsys):
    from ngf_core.runs import default_store

    audit = default_store().list("audit")[0]
    assert main(["runs", "show", audit.id]) == 0
    assert "No verdict." in capsys.readouterr().out


@pytest.mark.parametrize(("words", "says"), [
    (["no-such-run"], "There is no run no-such-run"),
    (["{0}", "{0}"], "two of them start from one model"),
    (["{0}", "--against", "{1}", "{2}"], "it names 2 runs, and 1 are to be compared"),
    (["{0}", "--samples", "3"], "is out of range"),
])
def test_bad_input_is_said(audited, capsys, words, says):
    assert main(["audit", *(word.format(*audited) for word in words)]) == 2
    assert says in capsys.readouterr().err


def test_other_settings_are_another_measurement(audited, monkeypatch, capsys):
    asked = []

    def start(config, store):
        asked.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr("ngf_core.runs.jobs.start", start)
    assert main(["audit", audited[0], "--seed", "5"]) == 130
    assert asked == [AuditConfig(source=audited[0], seed=5)]


def test_one_model_twice_is_refused_before_anything_is_computed(audited, monkeypatch, capsys):
    from ngf_core.runs import default_store

    store = default_store()
    again = make_run(store, "purify", source=store.get(audited[0]).manifest["source"]).id
    monkeypatch.setattr("ngf_core.runs.jobs.start", lambda *_: pytest.fail("computed"))
    assert main(["audit", audited[0], again, "--seed", "5"]) == 2
    assert "two of them start from one model" in capsys.readouterr().err


def test_an_audit_of_an_older_format_is_measured_again(audited, monkeypatch):
    monkeypatch.setattr("ngf_core.cli.audit.FORMAT", 99)
    asked = []

    def start(config, store):
        asked.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr("ngf_core.runs.jobs.start", start)
    assert main(["audit", audited[0]]) == 130
    assert asked == [AuditConfig(source=audited[0])]
