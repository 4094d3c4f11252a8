"""Runs: the table, search and filters, one run opened, deleting it."""

import io
import zipfile
from urllib.parse import parse_qs

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import app.state
from app.widgets.runs.run_table import (
    COLUMNS,
    matching,
    results_table,
    run_frame,
    select,
)
from ngf_core.errors import RunError
from ngf_core.runs.manifest import change_manifest
from tests.support.fabricated_runs import make_run
from tests.support.pages import text_of


def table_of(app: AppTest) -> list[str]:
    return app.dataframe[0].value["id"].tolist()


def test_no_runs_yet(open_page, started) -> None:
    app = open_page("runs")
    assert not app.exception and "No runs yet" in text_of(app)


def test_every_kind_and_state_is_listed(open_page, started, runs) -> None:
    make_run(runs, "landscape")
    for state in ("queued", "failed", "cancelled", "lost", "corrupt"):
        make_run(runs, "train", state=state, seed=3)
    app = open_page("runs")
    assert not app.exception
    frame = app.dataframe[0].value
    assert list(frame.columns) == list(COLUMNS) and len(frame) == 8
    assert set(frame["state"]) == {"done", "queued", "failed", "cancelled", "lost", "corrupt"}


def test_frame_holds_the_numbers_of_each_kind(runs) -> None:
    race = make_run(runs, "purify")
    spectrum = make_run(runs, "spectrum", source=race.id)
    frame = run_frame(runs.list()).set_index("id")
    assert frame.loc[race.id, ["model", "ACC", "ASR", "RA", "λ_max"]].tolist() == [
        "NGF", 0.985, 0.01, 0.96, 118.0]
    trained = frame.loc[race.config.source]
    assert (trained["model"], trained["λ_max"]) == ("As trained", 130.0)
    assert frame.loc[spectrum.id, "attack"] == "BadNets"
    assert frame.loc[spectrum.id, "λ_max"] == 118.0


def test_frame_of_nothing_is_empty_with_columns() -> None:
    assert list(run_frame([]).columns) == list(COLUMNS)
    assert matching(run_frame([]), "x", [], []).empty


def test_search_needs_every_word_and_filters_narrow(runs) -> None:
    make_run(runs, "train", attack="wanet", dataset="digits")
    make_run(runs, "train", attack="blend", state="failed")
    frame = run_frame(runs.list())
    assert matching(frame, "WANET digits", [], [])["attack"].tolist() == ["WaNet"]
    assert matching(frame, "wanet signs", [], []).empty
    assert matching(frame, "", ["train"], ["failed"])["attack"].tolist() == ["Blend"]
    assert matching(frame, "", ["purify"], []).empty
    assert matching(frame, "[", [], []).empty


def test_filters_from_the_address(open_page, started, runs) -> None:
    make_run(runs, "train", attack="blend")
    lost = make_run(runs, "train", state="lost")
    assert table_of(open_page("runs", state="lost")) == [lost.id]
    assert table_of(open_page("runs", search=lost.id[-8:])) == [lost.id]
    app = open_page("runs", kind="moon")
    assert len(table_of(app)) == 2 and "kind=moon" in app.toast[0].value


def test_no_match_says_so(open_page, started, runs) -> None:
    make_run(runs, "train")
    assert "No run fits" in text_of(open_page("runs", search="zzz"))


def test_an_opened_run_shows_everything(open_page, started, runs) -> None:
    race = make_run(runs, "purify", steps=50)
    app = open_page("runs", run=race.id)
    assert not app.exception and not app.error
    assert app.code[0].value == (
        f"OMP_NUM_THREADS=2 python -m ngf_core purify {race.config.source} "
        "--layer blocks.2.conv1 --steps 50")
    tables = [set(frame.value.columns) for frame in app.dataframe]
    assert {"model", "rate", "percent", "low", "high", "hits", "n"} in tables
    assert {"setting", "value"} in tables
    assert race.manifest["config_sha"][:8] in text_of(app)
    assert {"run_manifest", "run_csv"} <= {b.key for b in app.get("download_button")}


def test_a_finished_run_has_a_bundle(open_page, started, runs) -> None:
    race = make_run(runs, "purify")
    app = open_page("runs", run=race.id)
    assert {"bundle_plain", "bundle_weights"} <= {b.key for b in app.get("download_button")}
    assert "all that it stands on (runs: 2)" in text_of(app)
    unfinished = make_run(runs, "train", state="failed", seed=4)
    app = open_page("runs", run=unfinished.id)
    assert "bundle_plain" not in {b.key for b in app.get("download_button")}


def test_files_are_made_from_the_runs_that_the_page_was_drawn_with(
        open_page, started, runs, monkeypatch) -> None:
    drawn, made = st.download_button, {}

    def button(label, data, *args, key, **look):
        made[key] = data
        return drawn(label, data, *args, key=key, **look)

    monkeypatch.setattr(st, "download_button", button)
    race = make_run(runs, "purify")
    open_page("runs", run=race.id)
    # A download has no session: what it found there would be another reader's, and old.
    monkeypatch.setattr(app.state, "store", lambda: pytest.fail("asked the session"))
    assert zipfile.is_zipfile(io.BytesIO(made["bundle_plain"]()))
    assert zipfile.is_zipfile(io.BytesIO(made["export_safetensors"]()))


def test_a_run_that_lost_its_source_has_no_bundle_and_says_why(open_page, started, runs) -> None:
    race = make_run(runs, "purify")
    runs.get(race.config.source).delete()
    app = open_page("runs", run=race.id)
    assert not app.exception
    assert "bundle_plain" not in {b.key for b in app.get("download_button")}
    assert any(race.config.source in warning.value for warning in app.warning)


def test_a_foreign_run_says_so(open_page, started, runs) -> None:
    run = make_run(runs, "train")
    change_manifest(run.path, foreign={"bundle": "0" * 64, "opened": "2026-01-01T00:00:00Z"})
    assert "came in a bundle and was not computed here" in text_of(open_page("runs", run=run.id))


def test_results_carry_wilson_intervals() -> None:
    table = results_table({"before": {"acc": {"hits": 9, "n": 10}, "asr": None,
                                      "ra": {"hits": 0, "n": 0}}, "layer": "conv1"})
    assert table[["model", "rate", "percent"]].values.tolist()[0] == ["As received", "ACC", 90.0]
    assert table.loc[0, "low"] == pytest.approx(59.585, abs=1e-3)
    assert table.loc[0, "high"] == pytest.approx(98.212, abs=1e-3)
    assert table.loc[1, "rate"] == "RA" and table.loc[1, ["percent", "low"]].isna().all()


@pytest.mark.parametrize("kind", ["train", "spectrum", "landscape"])
def test_every_kind_opens(open_page, started, runs, kind) -> None:
    app = open_page("runs", run=make_run(runs, kind).id)
    assert not app.exception and not app.error
    assert app.code[0].value.startswith(f"OMP_NUM_THREADS=2 python -m ngf_core {kind}")


def test_a_corrupt_run_shows_its_sentence(open_page, started, runs) -> None:
    run = make_run(runs, "train", state="corrupt")
    app = open_page("runs", run=run.id)
    assert not app.exception and "manifest.json" in app.error[0].value
    assert not app.code


def test_deleting_asks_first(open_page, started, runs) -> None:
    race = make_run(runs, "purify")
    app = open_page("runs", run=race.config.source)
    app.button(key="run_delete").click().run()
    runs.get(race.config.source)
    assert any("1 other run" in warning.value for warning in app.warning)
    assert "run_delete_sure" in {button.key for button in app.button}


def test_deleting_for_sure(runs) -> None:
    trained = make_run(runs, "train")

    def dialog(run_id: str) -> None:
        from app import state
        from app.widgets.runs.delete_runs import confirm_delete

        run = next((r for r in state.store().list() if r.id == run_id), None)
        if run:
            confirm_delete([run])

    app = AppTest.from_function(dialog, kwargs={"run_id": trained.id}, default_timeout=30).run()
    app.button(key="run_delete_sure").click().run()
    assert not app.exception
    with pytest.raises(RunError, match="There is no run"):
        runs.get(trained.id)


def test_a_live_run_cannot_be_deleted_but_cancelled(open_page, started, runs) -> None:
    run = make_run(runs, "train", state="running")
    app = open_page("runs", run=run.id)
    assert app.button(key="run_delete").disabled
    app.button(key=f"cancel_{run.id}").click().run()
    assert (run.path / "cancel").exists()


def test_an_unknown_run_is_a_card_above_the_table(open_page, started, runs) -> None:
    make_run(runs, "train")
    app = open_page("runs", run="../../etc")
    assert "There is no run" in app.info[0].value and table_of(app)


# ---- going on


def test_a_lost_run_goes_on_under_its_own_name(runs, open_page, started) -> None:
    run = make_run(runs, "train", state="lost")
    app = open_page("runs", run=run.id)
    app.button(f"go_on_{run.id}").click().run()
    assert not app.exception and started == [run.config]
    assert (run.state, runs.list()) == ("queued", [run]) and app.query_params["run"] == run.id
    assert "went on after a stop at 20" in " ".join(caption.value for caption in app.caption)


@pytest.mark.parametrize(("kind", "means"), [
    ("train", "not computed again"), ("purify", "steps are taken again"),
    ("spectrum", "not computed again"), ("landscape", "not computed again"),
    ("layers", "not computed again"), ("import", "begins again"),
    ("audit", "begins again with its first measurement")])
def test_every_kind_says_what_going_on_means(runs, open_page, started, kind, means) -> None:
    """Beside the button, since a finger cannot hover."""
    run = make_run(runs, kind, state="failed")
    change_manifest(run.path, lacked="disk")
    app = open_page("runs", run=run.id)
    told = [caption.value for caption in app.caption if caption.value.startswith("Go on ")]
    assert not app.button(f"go_on_{run.id}").disabled
    assert len(told) == 1 and means in told[0]


def test_a_run_that_cannot_go_on_says_why(runs, open_page, started) -> None:
    run = make_run(runs, "train", state="lost")
    change_manifest(run.path, engine=0)
    app = open_page("runs", run=run.id)
    button = app.button(f"go_on_{run.id}")
    assert button.disabled and "It was computed by engine 0" in button.help
    assert "Go on takes up" not in text_of(app)


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_one_with_a_fault_of_its_own_is_only_started_again(runs, open_page, started, state) -> None:
    run = make_run(runs, "train", state=state)
    keys = {button.key for button in open_page("runs", run=run.id).button}
    assert f"again_{run.id}" in keys and f"go_on_{run.id}" not in keys


@pytest.mark.parametrize("page", ["runs", "import_model"])
@pytest.mark.parametrize(("state", "again"), [("failed", False), ("cancelled", True)])
def test_a_refused_import_is_not_offered_again(runs, open_page, started, page, state,
                                               again) -> None:
    run = make_run(runs, "import", state=state)
    app = open_page(page, run=run.id)
    assert (f"again_{run.id}" in {button.key for button in app.button}) is again
    assert ("refused again; the form for others" in text_of(app)) is not again


# ---- other versions


@pytest.mark.parametrize(("kind", "page"), [
    ("train", "runs"), ("train", "configure"), ("import", "import_model"), ("purify", "race"),
    ("purify", "start"), ("spectrum", "spectrum"), ("landscape", "landscape"),
    ("layers", "layers"), ("audit", "audit"), ("audit", "runs")])
def test_other_versions_are_told_in_a_sentence_and_the_numbers_stay(runs, open_page, started, kind,
                                                                    page) -> None:
    run = make_run(runs, kind)
    query = {} if page == "start" else {"run": run.id}
    drawn = [metric.value for metric in open_page(page, **query).metric]
    change_manifest(run.path, versions=run.manifest["versions"] | {"torch": "1.4.0"})
    app = open_page(page, **query)
    told = [caption.value for caption in app.caption if "computed by engine" in caption.value]
    assert not app.exception and len(told) == 1
    assert "torch 1.4.0, and here is engine" in told[0]
    assert [metric.value for metric in app.metric] == drawn


def test_a_clock_that_was_set_back_is_told_and_no_duration_shown(runs, open_page, started) -> None:
    run = make_run(runs, "train")
    assert "the clock was set" not in text_of(open_page("runs", run=run.id))
    change_manifest(run.path, started="2026-11-29T09:00:00Z", finished="2026-11-29T07:00:00Z")
    app = open_page("runs", run=run.id)
    assert not app.exception and app.dataframe[0].value["seconds"].isna().all()
    assert "its end lies before its start: the clock was set between them" in text_of(app)


def test_the_same_versions_are_not_worth_a_sentence(runs, open_page, started) -> None:
    run = make_run(runs, "train")
    assert "computed by engine" not in text_of(open_page("runs", run=run.id))


def test_ticked_rows_open_one_run_or_are_compared(monkeypatch) -> None:
    told: dict[str, str | None] = {}
    monkeypatch.setattr("app.state.write_url", told.__setitem__)
    monkeypatch.setattr("app.state.remember", lambda key, value: None)
    ids = ["a", "b", "c"]
    select({"selection": {"rows": [1]}}, ids)
    assert told == {"run": "b", "runs": None}
    select({"selection": {"rows": [0, 2]}}, ids)
    assert told == {"run": None, "runs": "a,c"}
    select({"selection": {"rows": []}}, ids)
    assert told == {"run": None, "runs": None}
    select({"selection": {"rows": [9]}}, ids)
    assert told == {"run": None, "runs": None}


@pytest.mark.parametrize(("count", "disabled", "says"), [
    (1, True, "Tick 2 to 6 rows"), (2, False, ""), (6, False, ""),
    (7, True, "7 rows are ticked, and at most 6 runs fit one comparison.")])
def test_two_to_six_ticked_runs_can_be_compared(open_page, started, runs, count, disabled, says
                                                ) -> None:
    made = [make_run(runs, "train", seed=seed).id for seed in range(count)]
    app = open_page("runs", runs=",".join(made))
    assert not app.exception and says in text_of(app)
    (link,) = [link.proto for link in app.get("page_link") if "Compare" in link.proto.label]
    assert link.disabled == disabled
    if not disabled:
        assert link.label == f"**Compare {count} runs**"
        assert parse_qs(link.query_string) == {"runs": [",".join(made)]}
