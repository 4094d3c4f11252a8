"""Start: what is played, what is said about it, and what a bad link or an empty house gives."""

from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from ngf_core.runs import attack_check
from tests.support.fabricated_runs import make_run
from tests.support.faked import faked
from tests.support.pages import address, text_of


@pytest.fixture
def race(runs):
    return make_run(runs, "purify")


def test_an_empty_house_says_what_to_do(open_page):
    app = open_page("start")
    assert not app.exception and not app.error
    assert "No finished race on a backdoored model is here yet" in app.info[0].value


def test_it_promises_and_plays_the_race(race, open_page, played):
    app = open_page("start")
    assert not app.exception and not app.error
    assert app.header[0].value == ("This model has a hidden backdoor. "
                                      "Watch two ways to remove it.")
    record = played[-1]
    assert [model["label"] for model in record["models"]] == ["As received", "NGF", "SGD"]
    assert record["steps"][0] == 0 and record["steps"][-1] == 100
    assert record["start"] == {"trigger": True, "play": True, "step": 0,
                               "sign": record["clearest"]}


def test_what_is_played_is_what_the_race_recorded(race, open_page, played):
    open_page("start")
    record, samples = played[-1], race.arrays("samples")
    events = {(e["method"], e["step"]): e["predictions"] for e in race.predictions()}
    for model in record["models"][1:]:
        for at, step in enumerate(record["steps"]):
            for images, answers in events[model["name"], step].items():
                for index, (label, confidence) in enumerate(answers):
                    wanted = samples["targets"][index] if images == "triggered" else None
                    kind = "attacker" if label == wanted else \
                        "true" if label == samples["labels"][index] else "mistake"
                    shown = model["answers"][images][at][index]
                    assert shown == [f"class {label}", confidence, kind]
    last = race.points().query("step == 100 and method == 'sgd' and metric == 'asr'")
    rate = record["models"][2]["rates"][-1]["asr"]
    assert rate["value"] == float(last["value"].iloc[0]) and "n = " in rate["interval"]
    assert record["models"][0]["rates"] is None


def test_the_pictures_are_the_samples(race, open_page, played):
    open_page("start")
    samples = race.arrays("samples")
    for index, sign in enumerate(played[-1]["signs"]):
        for images in ("clean", "triggered"):
            file = BytesIO(b64decode(sign[images].removeprefix("data:image/png;base64,")))
            pixels = np.moveaxis(np.array(Image.open(file)), -1, 0)
            assert np.array_equal(pixels, samples[images][index])


def test_the_landscape_shows_each_method_where_it_was(runs, race, open_page, played):
    open_page("start")
    assert played[-1]["ground"] is None
    plane = make_run(runs, "landscape", source=race.id, planes=("random", "path"))
    open_page("start")
    record, arrays = played[-1], plane.arrays("landscape")
    ground = record["ground"]
    assert ground["xs"] == [arrays["path_xs"][0], arrays["path_xs"][-1]]
    steps = arrays["ngf.path_steps"].tolist()
    for at, step in enumerate(record["steps"]):
        before = max(i for i, known in enumerate(steps) if known <= step)
        assert ground["paths"]["ngf"][at] == pytest.approx(arrays["ngf.on_path_plane"][before],
                                                           abs=1e-6)


def test_an_address_starts_it_where_it_says(race, open_page, played):
    open_page("start", trigger="off", step="50", sign="3")
    start = played[-1]["start"]
    assert start == {"trigger": False, "play": False, "sign": 2,
                     "step": played[-1]["steps"].index(50)}


@pytest.mark.parametrize(("name", "value"), [
    ("trigger", "<b>"), ("step", "51"), ("step", "9" * 400), ("sign", "0"), ("sign", "-1")])
def test_an_address_that_it_cannot_be_gives_one_toast_and_the_default(name, value, race, open_page,
                                                                      played):
    app = open_page("start", **{name: value})
    assert not app.exception and not app.error
    assert len(app.toast) == 1 and f"{name}=" in app.toast[0].value
    assert played[-1]["start"]["trigger"] and played[-1]["start"]["step"] == 0


def test_what_is_chosen_goes_to_the_address(race, open_page, played):
    played.answer = {"of": race.id, "number": 7, "trigger": False, "sign": 1, "step": 2}
    app = open_page("start")
    assert (address(app, "trigger"), address(app, "sign")) == ("off", "2")
    assert address(app, "step") == str(played[-1]["steps"][2])
    app.query_params["step"] = "0"  # as the browser's Back does, with the choice still there
    app.run()
    assert address(app, "step") == "0" and played[-1]["kept"] == 7
    assert played[-1]["start"]["step"] == 0


@pytest.mark.parametrize("answer", [
    None, "nonsense", {"of": "another", "step": 1}, {"step": 99, "sign": 99}, {"step": "1"},
    {"step": None, "sign": [1]}, {"step": True}])
def test_what_a_browser_may_send_back_changes_nothing_else(answer, race, open_page, played):
    played.answer = answer if not isinstance(answer, dict) else \
        {"of": race.id, "number": 7, "trigger": True} | answer
    app = open_page("start")
    assert not app.exception and not app.error
    assert address(app, "step") is None and address(app, "sign") is None


def test_the_outcome_comes_from_the_data(race, open_page):
    text = text_of(open_page("start"))
    assert "NGF removed the backdoor: the trigger works on 1.0 %" in text
    assert "SGD did not remove the backdoor: the trigger works on 62.0 %" in text
    assert "strong augmentation" in text


def test_scenarios_are_one_a_data_set_and_attack(runs, race, open_page, played):
    blend = make_run(runs, "purify", source=make_run(runs, "train", attack="blend").id)
    make_run(runs, "purify", source=make_run(runs, "train", attack="none").id)
    make_run(runs, "purify", source=race.config.source, state="failed")
    app = open_page("start", scenario="signs-blend")
    assert list(app.button_group("scenario_choice").options) == ["BadNets", "Blend"]
    assert played[-1]["id"] == blend.id
    make_run(runs, "purify", source=make_run(runs, "train", dataset="digits").id)
    assert list(open_page("start").button_group("scenario_choice").options)[:2] == [
        "Signs, BadNets", "Signs, Blend"]


def test_the_scenario_is_the_race_nearest_to_the_defaults(runs, race, open_page, played):
    make_run(runs, "purify", source=race.config.source, augment="crop")
    make_run(runs, "purify", source=race.config.source, seed=1)
    open_page("start")
    assert played[-1]["id"] == race.id


def test_an_unknown_scenario_gives_one_toast_and_the_default(race, open_page, played):
    app = open_page("start", scenario="nonsense")
    assert "scenario=nonsense" in app.toast[0].value
    assert not app.exception
    assert played[-1]["id"] == race.id


def test_the_verdict_counts_every_scenario_of_the_data_set(runs, race, open_page):
    make_run(runs, "purify", source=make_run(runs, "train", attack="blend").id)
    make_run(runs, "purify", source=make_run(runs, "train", dataset="digits").id)
    text = text_of(open_page("start", scenario="signs-badnets"))
    assert "NGF: **yes**, ASR 1.0 % [1.0, 1.0]; SGD: **no**, ASR 62.0 %" in text
    assert "2 models, one training seed. Methods: NGF, SGD on layer blocks.2.conv1" in text
    assert "Flatter" not in text
    make_run(runs, "spectrum", source=race.id)
    text = text_of(open_page("start"))
    assert "**Flatter, on these images?** NGF: **not resolved**, λ_max 0.91 times as large" in text
    assert "150 held-out images, one draw for all models, whose standard error is 10 %" in text


@pytest.mark.parametrize(("attack", "said"), [
    ("none", "This model is benign. See what two ways to remove a backdoor do to it."),
    ("badnets", "This model has a hidden backdoor. Watch two ways to remove it.")])
def test_the_headline_claims_no_backdoor_where_there_is_none(attack, said, runs, open_page, played):
    make_run(runs, "purify")
    shown = make_run(runs, "purify", source=make_run(runs, "train", attack=attack, seed=1).id)
    app = open_page("start", run=shown.id)
    assert not app.exception and not app.error
    assert app.header[0].value == said
    assert played[-1]["triggered"] == (attack != "none")


def test_a_picture_of_the_ways_says_what_it_is_not(runs, race, open_page, played):
    plane = make_run(runs, "landscape", source=race.id, planes=("random", "path"))
    open_page("start")
    note = played[-1]["ground"]["note"]
    off = max(plane.arrays("landscape")[f"{name}.off_path_plane"].max() for name in ("ngf", "sgd"))
    assert note.startswith("The ways of NGF and SGD through weight space")
    assert f"lie up to {off:.2g} off the plane" in note and "was recorded" not in note


def test_it_leads_on_to_what_was_measured(runs, race, open_page):
    def links() -> set[str]:
        return {link.label for link in open_page("start").get("page_link")}

    assert "Did it get flatter?" not in links()
    make_run(runs, "spectrum", source=race.id)
    make_run(runs, "landscape", source=race.id)
    assert {"Open this race", "Did it get flatter?", "Walk its landscape"} <= links()


def test_an_attack_that_did_not_take_is_said(race, open_page, monkeypatch):
    faked(monkeypatch, attack_check, "verdict", lambda run, store: "ASR is 12 %.")
    app = open_page("start")
    assert "ASR is 12 %." in app.warning[0].value
    assert app.header[0].value == ("This attack did not take: there is little to remove, and two "
                                   "ways to do it.")
