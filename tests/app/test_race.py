"""Race: live, replayed, ended in every way, started from the form, reached by links."""

import pytest

from app import jobs, state
from app.read import floor
from app.widgets.controls import figure_card
from app.widgets.race import spread_over_seeds
from app.widgets.race.race_form import open_form_as
from ngf_core.config import PurifyConfig
from ngf_core.errors import ConfigError
from ngf_core.evaluate.rates import Rate
from ngf_core.purify import ANP, FIP, FTSAM, NGF, SGD, FineTuning
from ngf_core.runs import RunWriter
from tests.support.fabricated_runs import make_run
from tests.support.faked import faked
from tests.support.pages import address, select, text_of


def tile(app, label):
    return next(m.value for m in app.metric if m.label == label)


def keys(app):
    return {b.key for b in app.button}


def test_a_finished_race_rests_at_its_end(runs, open_page):
    run = make_run(runs, "purify")
    app = open_page("race", run=run.id)
    assert not app.exception and not app.error
    assert (tile(app, "NGF ASR"), tile(app, "SGD ASR")) == ("1.0 %", "62.0 %")
    assert any("0.5 to 1.9 %, n = 900" in c.value for c in app.caption)
    assert any("NGF removed the backdoor" in m.value for m in app.markdown)


def test_ends_with_other_seeds_stand_below_the_race_and_on_start(open_page, started, runs,
                                                                monkeypatch) -> None:
    race = make_run(runs, "purify", layer="linear")
    assert "With seeds" not in text_of(open_page("race", run=race.id))
    faked(monkeypatch, spread_over_seeds, "spread_of", lambda race: {
        "ngf": {0: Rate(1, 1000), 1: Rate(92, 1000), 2: Rate(17, 1000)},
        "sgd": {0: Rate(103, 1000), 1: Rate(487, 1000)}})
    for page in ("race", "start"):
        said = text_of(open_page(page, run=race.id))
        assert "With seeds 0, 1 and 2**" in said
        assert "ends at: NGF 0.1, 9.2 and 1.7 %; SGD 10.3 and 48.7 %." in said


@pytest.mark.parametrize(("hits", "said"), [(156, True), (100, False)])
def test_a_trigger_that_moves_a_benign_model_says_so(hits, said, runs, open_page, monkeypatch):
    faked(monkeypatch, floor, "floor_of", lambda run: Rate(hits, 1000))
    told = [one.value for one in open_page("race", run=make_run(runs, "purify").id).info]
    assert any("gives 15.6 % [13.5, 18.0] of these triggered images the attacker's label (n = "
               "1,000)" in one for one in told) == said


def test_stepping_back_shows_an_earlier_evaluation(runs, open_page):
    run = make_run(runs, "purify")
    app = open_page("race", run=run.id)
    app.select_slider(f"race_{run.id}_slider").set_value(0).run()
    assert tile(app, "NGF ASR") == "96.0 %"
    app.button(f"race_{run.id}_forward").click().run()
    assert app.select_slider(f"race_{run.id}_slider").value == 5
    assert tile(app, "NGF ASR") not in ("96.0 %", "1.0 %")


def click(app, chart, bar):
    """A click into a chart of curves; `bar` is the one that it hits, None where it takes the
    selection of a bar away."""
    hit = [] if bar is None else [{"series_id": "pick", "data_indices": [bar]}]
    return select(app, "echarts_chart", chart, {"selected": hit, "areas": []})


@pytest.mark.parametrize("chart", [0, 1])
def test_a_click_into_the_curves_moves_everything(runs, open_page, chart):
    run = make_run(runs, "purify")
    app = open_page("race", run=run.id)
    click(app, chart, 79)  # of 200 bars over 100 steps: step 39.75
    assert app.select_slider(f"race_{run.id}_slider").value == 40
    assert address(app, "step") == "40"
    assert any("at step 40" in c.value for c in app.caption)
    there = tile(app, "NGF ASR")
    assert there != "1.0 %" and '"ngf-asr-later"' in app.get("echarts_chart")[0].proto.spec
    click(app, chart, 199)
    assert tile(app, "NGF ASR") == "1.0 %" and address(app, "step") is None
    app.select_slider(f"race_{run.id}_slider").set_value(40).run()
    assert tile(app, "NGF ASR") == there


def test_a_second_click_on_the_same_place_means_the_same_step(runs, open_page):
    run = make_run(runs, "purify")
    app = click(open_page("race", run=run.id), 0, 79)
    app.button(f"race_{run.id}_forward").click().run()
    assert address(app, "step") == "45"
    click(app, 0, None)
    assert address(app, "step") == "40" and not app.exception


def test_a_click_against_seconds_means_the_seconds(runs, open_page):
    run = make_run(runs, "purify")
    app = open_page("race", run=run.id, x="seconds")
    click(app, 0, 0)
    assert address(app, "step") == "0" and tile(app, "NGF ASR") == "96.0 %"


def test_a_link_opens_a_step_and_back_leads_to_it(runs, open_page):
    run = make_run(runs, "purify")
    app = open_page("race", run=run.id, step="0")
    assert tile(app, "NGF ASR") == "96.0 %" and address(app, "step") == "0"
    app.button(f"race_{run.id}_forward").click().run()
    assert address(app, "step") == "5"
    app.query_params["step"] = "0"
    assert tile(app.run(), "NGF ASR") == "96.0 %"
    app.query_params.pop("step")
    assert tile(app.run(), "NGF ASR") == "1.0 %"


def test_a_press_counts_though_the_browser_still_sends_the_old_step(runs, open_page):
    run = make_run(runs, "purify")
    app = open_page("race", run=run.id, step="0")
    app.button(f"race_{run.id}_forward").click().run()
    app.query_params["step"] = "0"
    app.button(f"race_{run.id}_forward").click().run()
    assert address(app, "step") == "10"


def test_a_step_that_was_not_recorded_gives_a_toast_and_the_end(runs, open_page):
    app = open_page("race", run=make_run(runs, "purify").id, step="41")
    assert any("step=41" in t.value for t in app.toast)
    assert tile(app, "NGF ASR") == "1.0 %" and address(app, "step") is None


def test_a_live_race_has_nothing_to_click(runs, open_page):
    app = open_page("race", run=make_run(runs, "purify", state="running").id)
    assert '"data":[]' in app.get("echarts_chart")[0].proto.spec.split('"id":"pick"')[1]


def test_ra_and_loss_can_be_shown_against_seconds(runs, open_page):
    run = make_run(runs, "purify")
    app = open_page("race", run=run.id)
    app.button_group("show").set_value(["RA", "Loss"]).run()
    app.button_group("x_choice").set_value("seconds").run()
    rates, loss = (chart.proto.spec for chart in app.get("echarts_chart"))
    assert "ngf-ra" in rates and "ngf-asr" not in rates and "Tuning seconds" in rates
    assert '"type":"log"' in loss
    assert app.query_params["x"] == "seconds"


def test_each_figure_tells_the_images_that_it_rests_on(runs, open_page, monkeypatch):
    told = {}
    faked(monkeypatch, figure_card, "save_picture",
          lambda figure, origin, filename: told.update({figure: origin.facts.get("n")}))
    open_page("race", run=make_run(runs, "purify").id, show=["ASR", "Sharpness", "Loss"])
    assert told == {"race_rates": "1,000 clean and 900 triggered test images",
                    "race_sharpness": "50 clean images of the defender",
                    "race_loss": "250 clean images of the defender, in batches"}


def test_the_sharpness_stands_below_the_rates(runs, open_page):
    run = make_run(runs, "purify")
    app = open_page("race", run=run.id)
    rates, sharp = (chart.proto.spec for chart in app.get("echarts_chart"))
    assert "ngf-asr" in rates and "ngf-lambda_max" in sharp and '"type":"log"' in sharp
    assert any("50 of the defender" in c.value for c in app.caption)
    app.button_group("show").set_value(["ASR", "ACC"]).run()
    assert len(app.get("echarts_chart")) == 1 and not app.exception


def test_a_race_without_sharpness_does_not_offer_it(runs, open_page):
    run = make_run(runs, "purify", sharpness="off")
    app = open_page("race", run=run.id, show="Sharpness")
    assert not app.exception and not app.toast
    assert "Sharpness" not in app.button_group("show").options


def test_a_live_race_offers_pause_and_cancel(runs, open_page):
    run = make_run(runs, "purify", state="running")
    app = open_page("race", run=run.id)
    assert not app.exception
    assert {f"pause_{run.id}", f"cancel_{run.id}"} <= keys(app)
    assert f"again_{run.id}" not in keys(app)
    app.button(f"pause_{run.id}").click().run()
    assert run.paused and f"resume_{run.id}" in keys(app)
    app.button(f"resume_{run.id}").click().run()
    assert not run.paused
    run.cancel()
    app.run()
    assert app.button(f"cancel_{run.id}").disabled


def test_the_end_of_a_live_race_shows_the_replay(runs, open_page):
    run = make_run(runs, "purify", state="running")
    app = open_page("race", run=run.id)
    from ngf_core.runs import RunWriter

    RunWriter(run).cancel("Cancelled at step 40 of 100; the curves until then are kept.")
    app.run()
    assert f"race_{run.id}_play" in keys(app) and f"pause_{run.id}" not in keys(app)


@pytest.mark.parametrize("state, sentence", [
    ("failed", "no longer finite at step 40"),
    ("cancelled", "Cancelled at step 40"),
    ("lost", "worker died at step 40"),
])
def test_an_ended_race_says_why_and_can_be_started_again(runs, open_page, started, state, sentence):
    run = make_run(runs, "purify", state=state)
    app = open_page("race", run=run.id)
    said = [e.value for e in [*app.error, *app.info, *app.warning]]
    assert any(sentence in text for text in said), said
    assert len(app.get("echarts_chart")) == 2
    app.button(f"again_{run.id}").click().run()
    assert started == [run.config]
    assert app.query_params["run"] != run.id


def test_a_queued_race_says_so(runs, open_page):
    run = make_run(runs, "purify", state="queued")
    app = open_page("race", run=run.id)
    assert not app.exception
    assert "Waiting" in app.info[0].value


def test_an_unknown_run_gives_a_card_and_the_default(runs, open_page):
    run = make_run(runs, "purify")
    app = open_page("race", run="20200101-000000-purify-x-00000000")
    assert "There is no run" in app.info[0].value
    assert tile(app, "NGF ASR") == "1.0 %"
    assert app.query_params["run"] != run.id


def test_a_run_of_another_kind_is_named(runs, open_page):
    run = make_run(runs, "purify")
    app = open_page("race", run=run.config.source)
    assert "is a train run" in app.info[0].value


def test_corrupt_runs_are_not_offered(runs, open_page):
    make_run(runs, "purify")
    bad = make_run(runs, "purify", state="corrupt")
    app = open_page("race")
    assert not app.exception
    assert bad.id[-4:] not in " ".join(app.selectbox("run_choice").options)


def test_bad_address_values_give_a_toast_each(runs, open_page):
    make_run(runs, "purify")
    app = open_page("race", x="parsecs", show="Magic")
    said = " ".join(t.value for t in app.toast)
    assert "x=parsecs" in said and "show=Magic" in said and not app.exception


def test_a_benign_model_has_no_asr_and_no_trigger(runs, open_page):
    run = make_run(runs, "purify", source=make_run(runs, "train", attack="none").id)
    app = open_page("race", run=run.id)
    assert not app.exception and not app.error
    assert [m.label for m in app.metric] == ["NGF ACC", "SGD ACC"]
    assert not [t for t in app.toggle if t.key == "race_trigger"]


def test_the_form_starts_the_race_it_shows(runs, open_page, started):
    source = make_run(runs, "train")
    make_run(runs, "train", attack="blend")
    app = open_page("race", source=source.id)
    app.button_group("form_methods").set_value(["ngf", "sgd", "finetune"])
    app.selectbox("form_layer").set_value("conv1")
    app.number_input("form_steps").set_value(20)
    app.button("start_race").click().run()
    assert not app.exception and not app.error
    config = started[0]
    assert (config.source, config.steps, config.augment) == (source.id, 20, "strong")
    assert config.methods == (NGF(layer="conv1"), SGD(layer="conv1"), FineTuning())
    assert config.sharpness == "on"
    assert "source" not in app.query_params and "purify" in app.query_params["run"]


def test_the_last_layer_is_what_the_form_tunes_unless_told(runs, open_page, started, monkeypatch):
    names = ("blocks.2.conv1", "stem", "blocks.0.conv1", "blocks.2.conv2", "linear")
    faked(monkeypatch, state, "layer_names", lambda arch: names)
    app = open_page("race", source=make_run(runs, "train").id)
    assert app.selectbox("form_layer").options == [
        "The last layer", "Auto: chosen on the clean images", *names, "blocks: the block's layers",
        "blocks.2: the block's layers", "All layers"]
    app.button("start_race").click().run()
    assert started[0].methods == (NGF(layer="last"), SGD(layer="last"))


def form_with_layer(text, runs, open_page):
    """The form with a text typed in, which the test's browser cannot do."""
    source = make_run(runs, "train").id
    app = open_page("start")
    app.session_state["form_layer"] = text
    app.query_params["source"] = source
    return app.switch_page("app/views/race.py").run()


@pytest.mark.parametrize("text", ["all", "conv1,linear", "blocks"])
def test_several_layers_can_be_tuned(runs, open_page, started, text):
    app = form_with_layer(text, runs, open_page)
    app.button("start_race").click().run()
    assert not app.exception and started[0].layers == {"ngf": text, "sgd": text}


def test_a_layer_that_is_not_there_is_a_sentence_and_no_start(runs, open_page, started):
    app = form_with_layer("conv1,nose", runs, open_page)
    assert "This network has no layer 'nose'. Choose one of conv1" in app.error[0].value
    assert app.button("start_race").disabled and not app.exception


def test_a_balanced_clean_set_and_chosen_step_sizes(runs, open_page, started):
    app = open_page("race", source=make_run(runs, "train").id, race_clean_balance="balanced",
                    race_ngf_step_size="chosen")
    app.button("start_race").click().run()
    assert started[0].clean_balance == "balanced"
    assert started[0].methods == (NGF(step_size="chosen"), SGD())


def test_a_refused_config_is_a_sentence(runs, open_page, started, monkeypatch):
    def refuse(config, browser, again):
        raise ConfigError("steps", "7 is unlucky", "Use another number.")

    faked(monkeypatch, jobs, "start", refuse)
    app = open_page("race", source=make_run(runs, "train").id)
    app.button("start_race").click().run()
    assert "7 is unlucky" in app.error[0].value and not app.exception


def test_a_race_that_was_run_already_is_offered(runs, open_page, started):
    first = open_page("race", source=make_run(runs, "train").id)
    first.button("start_race").click().run()
    race = runs.list("purify")[0]
    RunWriter(race).begin(threads=1)
    RunWriter(race).finish({})
    app = open_page("race", source=race.config.source)
    assert race.id in text_of(app) and "start_race_again" in keys(app)
    app.button("start_race_reuse").click().run()
    assert address(app, "run") == race.id and len(started) == 1


def test_a_press_from_before_the_same_race_was_finished_starts_nothing(runs, open_page, started):
    app = open_page("race", source=make_run(runs, "train").id)
    app.button("start_race").click().run()
    race = runs.list("purify")[0]
    late = open_page("race", source=race.config.source)
    RunWriter(race).begin(threads=1)
    RunWriter(race).finish({})
    late.button("start_race").click().run()
    assert race.id in text_of(late) and len(started) == 1 and not late.exception


def test_the_live_sharpness_can_be_switched_off(runs, open_page, started):
    app = open_page("race", source=make_run(runs, "train").id)
    app.toggle("form_sharpness").set_value(False)
    app.button("start_race").click().run()
    assert started[0].sharpness == "off"


def test_no_method_no_start(runs, open_page, started):
    app = open_page("race", source=make_run(runs, "train").id)
    app.button_group("form_methods").set_value([]).run()
    assert app.button("start_race").disabled


def test_an_empty_house_leads_to_a_first_model(open_page):
    app = open_page("race")
    assert not app.exception and not app.error
    assert any("Train one on the Configure page" in i.value for i in app.info)


def test_new_race_opens_the_form_and_leads_back(runs, open_page):
    run = make_run(runs, "purify")
    app = open_page("race", run=run.id)
    app.button("new_race").click().run()
    assert app.button("start_race") and not app.metric
    app.button("leave_form").click().run()
    assert app.metric and not app.exception


def test_each_method_that_races_has_its_own_settings(runs, open_page, started):
    app = open_page("race", source=make_run(runs, "train").id)
    shown = {widget.key for widget in app.number_input}
    assert {"race_ngf_kl_bound", "race_sgd_lr"} <= shown and "race_anp_eps" not in shown
    app.button_group("form_methods").set_value(["anp", "fip"]).run()
    shown = {widget.key for widget in app.number_input}
    assert {"race_anp_eps", "race_fip_lr"} <= shown and "race_ngf_kl_bound" not in shown
    app.number_input("race_anp_eps").set_value(0.3)
    app.number_input("race_anp_ascents").set_value(2)
    app.button("start_race").click().run()
    assert not app.exception and not app.error
    assert started[0].methods == (ANP(eps=0.3, ascents=2), FIP())


def test_a_race_can_be_opened_as_a_form(runs, open_page, started):
    """With all settings of its methods, in the address and the session."""
    source = make_run(runs, "train").id
    asked = PurifyConfig(source=source, steps=7, batch_size=64, methods=(
        NGF(layer="conv1", kl_bound=2.0, tenths=True, fisher="kfac"), FTSAM(rho=1.0)))
    app = open_page("start")
    for name, value in (("methods", ["ngf", "ft_sam"]), ("layer", "conv1"), ("steps", 7)):
        app.session_state[f"form_{name}"] = value
    words = {"source": source, "race_batch_size": "64", "race_ngf_kl_bound": "2.0",
             "race_ngf_tenths": "yes", "race_ngf_fisher": "kfac", "race_ft_sam_rho": "1.0"}
    with pytest.MonkeyPatch.context() as patch:
        faked(patch, state, "remember", lambda key, value: None)
        assert open_form_as(asked) == words
    for name, value in words.items():
        app.query_params[name] = value
    app = app.switch_page("app/views/race.py").run()
    app.button("start_race").click().run()
    assert not app.exception and started == [asked]


@pytest.mark.parametrize("address", [
    {"race_kl_bound": "0.2", "race_parameters": "zz", "race_step_size": "chosen"},
    {"race_ngf_fisher": "best"}, {"race_ngf_tenths": "perhaps"}])
def test_an_address_of_other_settings_gives_the_defaults(runs, open_page, started, address):
    app = open_page("race", source=make_run(runs, "train").id, **address)
    app.button("start_race").click().run()
    assert not app.exception and started[0].methods == (NGF(), SGD())
