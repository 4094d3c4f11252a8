"""Many browsers at the pages: the token, a server that only shows, whose run it is, cleaning up."""

import os
from dataclasses import fields

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Dataframe
from streamlit.web.server.starlette.starlette_app_utils import generate_xsrf_token_string

from app import jobs, state
from app.widgets.controls import entrance
from ngf_core.errors import RunError
from ngf_core.runs import Run
from ngf_core.runs.manifest import change_manifest
from ngf_core.runs.process import start_time
from ngf_core.runs.server_settings import READONLY, ServerSettings
from tests.support.fabricated_runs import make_run
from tests.support.faked import faked
from tests.support.pages import text_of

navigation = st.navigation


@pytest.fixture
def me(monkeypatch) -> str:
    """The id of the browser that the pages of this test see."""
    faked(monkeypatch, state, "browser", lambda: "me")
    return "me"


def test_a_browser_keeps_its_id_under_another_mask():
    token, other = os.urandom(16), os.urandom(16)
    cookies = [generate_xsrf_token_string(token) for _ in range(3)]
    assert len(set(cookies)) == 3
    assert {state.browser_secret(cookie) for cookie in cookies} == {token}
    assert state.browser_secret(generate_xsrf_token_string(other)) == other


@pytest.mark.parametrize("cookie", [None, "", "1|aa|bb|1", "2|zz|" + "00" * 16 + "|1", "2||00|1",
                                    "2|aabbccdd|" + "00" * 8 + "|1", "2|a|b"])
def test_a_cookie_without_a_token_is_none(cookie):
    assert state.browser_secret(cookie) is None


def test_without_a_cookie_the_id_is_the_session_s(open_page, started, runs):
    run = make_run(runs, "train", state="lost")
    app, other = (open_page("runs", run=run.id) for _ in range(2))
    first = app.session_state["browser"]
    assert app.run().session_state["browser"] == first != other.session_state["browser"]


def test_the_entrance_says_that_each_tab_asks_for_the_token(open_page, started, monkeypatch):
    """What a session remembers ends with its tab, and with a reload."""
    monkeypatch.setenv("NGF_TOKEN", "sesame")
    first, second = open_page("start"), open_page("start")
    first.text_input("given_token").set_value("sesame")
    first.button("enter").click().run()
    assert "enter" not in {b.key for b in first.button}
    assert "in each tab and after each reload" in second.run().text_input("given_token").label
    told = {field.name: field.metadata["help"] for field in fields(ServerSettings)}
    assert "each tab asks for" in told["token"]


def test_the_token_is_asked_for_first(open_page, started, runs, monkeypatch):
    monkeypatch.setenv("NGF_TOKEN", "sesame")
    monkeypatch.setattr(entrance, "DELAY", 0.0)
    run = make_run(runs, "train")
    app = open_page("runs", run=run.id)
    assert not app.exception and not app.dataframe and run.id not in text_of(app)
    app.text_input("given_token").set_value("Sesame")
    app.button("enter").click().run()
    assert "That is not the word" in app.error[0].value and not app.dataframe
    app.text_input("given_token").set_value("sesame ")
    app.button("enter").click().run()
    assert not app.error and app.dataframe and "enter" not in {b.key for b in app.button}
    assert app.run().dataframe, "once for a session"


def test_no_menu_before_the_token(open_page, started, monkeypatch):
    positions = []

    def seen(pages, *, position, expanded):
        positions.append(position)
        return navigation(pages, position=position, expanded=expanded)

    faked(monkeypatch, st, "navigation",
          lambda pages, position, expanded: seen(pages, position=position, expanded=expanded))
    monkeypatch.setenv("NGF_TOKEN", "sesame")
    app = open_page("start")
    assert positions == ["hidden"]
    app.text_input("given_token").set_value("sesame")
    app.button("enter").click().run()
    assert positions[-1] == "top"


@pytest.mark.parametrize("page", ["configure", "race", "runs"])
def test_a_queued_run_says_its_place_and_why_and_draws_nothing(open_page, started, runs, page):
    run = make_run(runs, "purify" if page == "race" else "train", state="queued")
    change_manifest(run.path, message="Place 2 of 3, about 4 min.", pid=os.getpid(),
                    pid_started=start_time(os.getpid()))
    app = open_page(page, run=run.id)
    (told,) = [info.value for info in app.info if "Place 2 of 3, about 4 min." in info.value]
    assert not app.exception and "because the limit here is 1 at a time" in told
    assert not app.get("echarts_chart") and not app.get("plotly_chart"), "no empty figure"


@pytest.mark.parametrize("given", ["", "sesam", "sesamee", "SESAME", "sésame"])
def test_a_word_that_is_not_the_token(given):
    assert not entrance.is_token(given, "sesame") and entrance.is_token("sésame", "sésame")


def test_a_bad_setting_of_the_server_is_a_sentence(open_page, started, monkeypatch):
    monkeypatch.setenv("NGF_MAX_JOBS", "many")
    app = open_page("start")
    assert not app.exception and "NGF_MAX_JOBS: 'many' is not a whole number" in app.error[0].value


def test_a_server_that_only_shows_says_so_and_starts_nothing(open_page, started, runs, monkeypatch):
    trained, live = make_run(runs, "train"), make_run(runs, "train", state="running", seed=1)
    lost = make_run(runs, "train", state="lost", seed=2)
    monkeypatch.setenv("NGF_READONLY", "1")
    for page, query, keys in (
            ("configure", {}, ["train"]), ("race", {"source": trained.id}, ["start_race"]),
            ("spectrum", {"run": trained.id}, ["spectrum_start"]),
            ("runs", {"run": trained.id}, ["run_delete"]),
            ("runs", {"run": lost.id}, [f"again_{lost.id}"]),
            ("runs", {"run": live.id}, [f"pause_{live.id}", f"cancel_{live.id}"])):
        app = open_page(page, **query)
        assert not app.exception
        assert READONLY in text_of(app), page
        for key in keys:
            assert app.button(key=key).disabled and app.button(key=key).help == READONLY, key
    assert started == [] and not (live.path / "cancel").exists()


def test_the_banner_counts_the_jobs_of_others(open_page, started, runs, me):
    make_run(runs, "train", state="running")  # the command line's
    for askers in (["you"], ["you"], ["you", "me"]):
        other = make_run(runs, "train", state="running", seed=len(runs.list()))
        change_manifest(other.path, askers=askers)
    told = [caption.value for caption in open_page("start").caption]
    assert sum("Train running" in line for line in told) == 2
    assert any("2 jobs of other browsers run or wait." in line for line in told)


def test_on_a_shared_server_only_the_askers_may_stop(open_page, started, runs, me, monkeypatch):
    monkeypatch.setenv("NGF_SHARED", "1")
    run = make_run(runs, "train", state="running")
    change_manifest(run.path, askers=["you"])
    app = open_page("configure", run=run.id)
    assert app.button(f"cancel_{run.id}").disabled and app.button(f"pause_{run.id}").disabled
    change_manifest(run.path, askers=["you", "me"])
    app = open_page("configure", run=run.id)
    assert not app.button(f"cancel_{run.id}").disabled and app.button(f"pause_{run.id}").disabled
    assert "2 browsers asked for this run" in text_of(app)


def test_a_click_that_the_page_did_not_offer_is_refused(runs, me, monkeypatch):
    run, live = make_run(runs, "train"), make_run(runs, "train", state="running", seed=1)
    monkeypatch.setenv("NGF_SHARED", "1")
    for act in (lambda: jobs.delete(run, me), lambda: jobs.keep(run, me, True),
                lambda: jobs.cancel(live, me), lambda: jobs.pause(live, me),
                lambda: jobs.resume(live, me)):
        with pytest.raises(RunError, match="stays as it is"):
            act()
    assert set(runs.list()) == {run, live}


@pytest.fixture
def cleaning(open_page, started, runs, me, monkeypatch):
    """The runs page with Clean up open, and its runs: mine, mine that others start from, yours."""
    monkeypatch.setenv("NGF_SHARED", "1")
    mine = make_run(runs, "train", seed=1)
    race = make_run(runs, "purify")
    source, yours = runs.get(race.config.source), make_run(runs, "train", seed=2)
    for run, askers in ((mine, [me]), (source, [me, "you"]), (race, ["you"]), (yours, ["you"])):
        change_manifest(run.path, askers=askers)
    app = open_page("runs")
    app.session_state["clean_up"] = True
    return app.run(), mine, source, race


def test_own_runs_are_listed_with_their_sizes(cleaning):
    app, mine, source, _ = cleaning
    assert not app.exception
    table = own_table(app).value
    assert set(table["id"]) == {mine.id, source.id}
    sizes = dict(zip(table["id"], table["MB"], strict=True))
    assert sizes[mine.id] == pytest.approx(
        sum(path.stat().st_size for path in mine.path.iterdir()) / 1e6)


def own_table(app: AppTest) -> Dataframe:
    (table,) = [frame for frame in app.dataframe if "kept" in frame.value]
    return table


def tick(app: AppTest, *runs: Run) -> AppTest:
    """Choose these runs in the table of one's own."""
    table = own_table(app)
    rows = [list(table.value["id"]).index(run.id) for run in runs]
    app.session_state[table.key] = {"selection": {"rows": rows, "columns": []}}
    return app.run()


def test_what_is_chosen_is_kept_let_go_and_deleted(cleaning, runs):
    app, mine, source, race = cleaning
    tick(app, mine)
    app.button("keep_chosen").click().run()
    assert mine.kept and app.button("delete_chosen").disabled
    assert "let go what is kept" in text_of(app)
    app.button("let_go_chosen").click().run()
    assert not mine.kept and not app.button("delete_chosen").disabled
    assert "let go what is kept" not in text_of(app)
    tick(app, mine, source)
    app.button("delete_chosen").click().run()
    assert "1 other run made from" in app.warning[0].value
    assert race.id in [code.value for code in app.code], "it is named before"
    assert mine in runs.list() and source in runs.list(), "asked first"


def test_what_was_chosen_is_not_another_run_after_one_is_gone(cleaning, runs):
    app, _, _, _ = cleaning
    first = runs.get(own_table(app).value["id"][0])
    tick(app, first)
    assert not app.button("delete_chosen").disabled
    first.delete()
    app.run()
    assert len(own_table(app).value) == 1 and "0 chosen" in text_of(app)
    assert app.button("delete_chosen").disabled


def test_what_is_chosen_can_be_taken_along(cleaning):
    app, mine, _, _ = cleaning
    take = next(button for button in app.get("download_button") if button.key == "download_zip")
    assert take.disabled
    tick(app, mine)
    assert not app.exception and not app.error and "1 chosen" in text_of(app)
    take = next(button for button in app.get("download_button") if button.key == "download_zip")
    assert not take.disabled


def test_cleaning_up_where_nothing_is_own(open_page, started, runs, monkeypatch):
    make_run(runs, "train")
    monkeypatch.setenv("NGF_SHARED", "1")
    app = open_page("runs")
    app.session_state["clean_up"] = True
    assert "There is no run that this browser may change" in text_of(app.run())


def test_a_server_that_only_shows_takes_no_picture(open_page, runs, monkeypatch):
    monkeypatch.setenv("NGF_READONLY", "1")
    app = open_page("attacks", dataset="digits")
    assert not app.exception and app.file_uploader(key="upload").disabled
