"""Start: what is replayed, what is said about it, and what a bad link or an empty house gives."""

import pytest

from ngf_core.runs import attack_check
from tests.support.fabricated_runs import make_run
from tests.support.faked import faked
from tests.support.pages import text_of


@pytest.fixture
def race(runs):
    return make_run(runs, "purify")


def test_an_empty_house_says_what_to_do(open_page):
    app = open_page("start")
    assert not app.exception and not app.error
    assert "No finished race on a backdoored model is here yet" in app.info[0].value


def test_it_promises_and_draws_the_race(race, open_page):
    app = open_page("start")
    assert not app.exception and not app.error
    assert app.subheader[0].value == ("This model has a hidden backdoor. "
                                      "Watch two ways to remove it.")
    assert len(app.get("echarts_chart")) == 1
    assert [m.label for m in app.metric[:4]] == ["NGF ASR", "NGF ACC", "SGD ASR", "SGD ACC"]


def test_it_starts_at_the_received_model_and_steps_forward(race, open_page):
    app = open_page("start")
    assert app.metric[0].value == "96.0 %"
    app.button(f"start_{race.id}_pause").click().run()
    before = app.metric[0].value
    app.button(f"start_{race.id}_forward").click().run()
    assert app.metric[0].value != before
    assert f"start_{race.id}_play" in {b.key for b in app.button}


def test_the_outcome_comes_from_the_data(race, open_page):
    text = text_of(open_page("start"))
    assert "NGF removed the backdoor: the trigger works on 1.0 %" in text
    assert "SGD did not remove the backdoor: the trigger works on 62.0 %" in text
    assert "strong augmentation" in text


def test_the_trigger_flips_what_the_received_model_sees(race, open_page):
    app = open_page("start")
    assert "As received: :material/check: class 1" in text_of(app)
    app.toggle("trigger").set_value(True).run()
    assert "As received: :material/close: class 0" in text_of(app)
    assert "NGF: :material/check: class 1" in text_of(app)


def test_scenarios_are_one_a_data_set_and_attack(runs, race, open_page):
    blend = make_run(runs, "purify", source=make_run(runs, "train", attack="blend").id)
    make_run(runs, "purify", source=make_run(runs, "train", attack="none").id)
    make_run(runs, "purify", source=race.config.source, state="failed")
    app = open_page("start", scenario="signs-blend")
    assert list(app.button_group("scenario_choice").options) == ["Signs, BadNets", "Signs, Blend"]
    assert f"start_{blend.id}_pause" in {b.key for b in app.button}


def test_the_scenario_is_the_race_nearest_to_the_defaults(runs, race, open_page):
    make_run(runs, "purify", source=race.config.source, augment="crop")
    make_run(runs, "purify", source=race.config.source, seed=1)
    assert f"start_{race.id}_pause" in {b.key for b in open_page("start").button}


def test_an_unknown_scenario_gives_one_toast_and_the_default(race, open_page):
    app = open_page("start", scenario="nonsense")
    assert "scenario=nonsense" in app.toast[0].value
    assert not app.exception
    assert app.metric[0].value == "96.0 %"


def test_teasers_show_what_was_measured_and_say_what_was_not(runs, race, open_page):
    assert "was not measured" in text_of(open_page("start"))
    make_run(runs, "spectrum", source=race.id)
    make_run(runs, "landscape", source=race.id)
    app = open_page("start")
    assert "was not measured" not in text_of(app)
    assert len(app.get("plotly_chart")) == 1
    assert [m.value for m in app.metric if m.label == "NGF λ_max"] == ["118.0 ± 0.1"]


def test_an_attack_that_did_not_take_is_said(race, open_page, monkeypatch):
    faked(monkeypatch, attack_check, "verdict", lambda run, store: "ASR is 12 %.")
    assert "ASR is 12 %." in open_page("start").warning[0].value
