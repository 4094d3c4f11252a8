"""Attacks and Configure follow the model in hand, and Attacks takes one in hand itself."""

import numpy as np
import pytest
import streamlit
from streamlit.testing.v1 import AppTest

from app.read.model_in_hand import WIDGET
from ngf_core.attacks.drawing import to_text
from ngf_core.config import TrainConfig
from ngf_core.runs import Run, RunStore
from ngf_core.trained import poison_preview as preview
from ngf_core.trained.poison_preview import poison_preview
from tests.support.fabricated_runs import make_run
from tests.support.faked import faked
from tests.support.pages import address, text_of
from tests.support.untrained_models import imported, trained

WORDS = ("run", "dataset", "attack", "strength", "parameters")
OTHER = "The model in hand is another one"


def picture() -> str:
    drawing = np.zeros((32, 32, 4), np.uint8)
    drawing[:3, :3] = 255
    return f"picture={to_text(drawing)}"


@pytest.fixture
def badnets(runs) -> Run:
    return trained(runs)


@pytest.fixture
def blend(runs, badnets) -> Run:
    """A model whose trigger has neither the usual strength nor the usual parameter."""
    return trained(runs, attack="blend", strength="published", parameters="alpha=0.4", seed=3,
                   arch="preact_resnet18_w16")


def words(app: AppTest) -> dict[str, str]:
    """What the address says of model and trigger."""
    return {name: said for name in WORDS if (said := address(app, name)) is not None}


def shown(app: AppTest) -> str:
    """The title of the attack that is shown."""
    return app.header[0].value


def alpha(app: AppTest):
    return next(slider for slider in app.slider if slider.label.startswith("**alpha**"))


def answering(app: AppTest) -> set[str]:
    """Whose answers the table holds."""
    return set(next(frame.value for frame in app.dataframe if "confidence" in frame.value)["model"])


def who(app: AppTest) -> dict[str, str]:
    """What is said of each model that answers, by its name."""
    lines = next(c.value for c in app.caption if "on the whole test set" in c.value).split("  \n")
    return dict(line.split(": ", 1) for line in lines)


def is_blend_as_trained(app: AppTest, blend: Run) -> None:
    assert not app.exception and not app.error and not app.toast
    assert app.selectbox(WIDGET).value == blend.id and shown(app) == "Blend"
    assert app.button_group("strength_choice").value == "published" and alpha(app).value == 0.4
    assert words(app) == {"run": blend.id}
    text = text_of(app)
    assert blend.id[-4:] in who(app)["Backdoored"] and OTHER not in text
    assert "the images carry" not in text  # they carry the trigger that the model was trained on


def test_it_opens_on_the_model_in_hand_and_a_copied_link_too(runs, open_page, badnets, blend):
    app = open_page("race")
    app.selectbox(WIDGET).select(blend.id).run()
    app.switch_page("app/views/attacks.py").run()
    is_blend_as_trained(app, blend)
    app.run()
    is_blend_as_trained(app, blend)
    is_blend_as_trained(open_page("attacks", **words(app)), blend)


def test_of_two_models_of_an_attack_the_one_in_hand_answers(runs, open_page, badnets):
    trained(runs, seed=5)  # newer, of the same trigger
    assert badnets.id[-4:] in who(open_page("attacks", run=badnets.id))["Backdoored"]


def test_the_bar_is_followed_on_the_page(open_page, badnets, blend):
    app = open_page("attacks", run=badnets.id)
    assert shown(app) == "BadNets"
    alpha(app).set_value(0.5).run()
    assert words(app) == {"run": badnets.id, "parameters": "alpha=0.5"}
    app.selectbox(WIDGET).select(blend.id).run()
    is_blend_as_trained(app, blend)


def test_back_in_the_browser_is_followed_too(open_page, badnets, blend):
    app = open_page("attacks", run=badnets.id)
    app.query_params["run"] = blend.id
    app.run()
    is_blend_as_trained(app, blend)


def test_a_departure_from_the_model_stands_in_the_address(open_page, badnets, blend):
    app = open_page("attacks", run=blend.id)
    alpha(app).set_value(0.2).run()  # the usual value, and not this model's
    assert words(app) == {"run": blend.id, "parameters": "none"}
    copied = open_page("attacks", **words(app))
    assert alpha(copied).value == 0.2 and not copied.toast
    assert "trained with published strength, alpha=0.4, the images carry published strength" in \
        text_of(copied)
    copied.button(key="put_back").click().run()
    is_blend_as_trained(copied, blend)


def test_another_attack_takes_its_shipped_model_in_hand(runs, open_page, badnets, blend, tmp_path):
    shipped = trained(RunStore(tmp_path / "shipped"), attack="blend")
    app = open_page("attacks", run=badnets.id, parameters="alpha=0.5")
    app.selectbox(key="attack_choice").set_value("blend").run()
    assert not app.exception and not app.toast and shown(app) == "Blend"
    assert app.selectbox(WIDGET).value == shipped.id
    assert words(app) == {"run": shipped.id} and alpha(app).value == 0.2


def test_it_takes_an_own_one_where_none_is_shipped(open_page, badnets, blend):
    app = open_page("attacks", run=badnets.id)
    app.selectbox(key="attack_choice").set_value("blend").run()
    is_blend_as_trained(app, blend)


def test_of_an_attack_without_a_model_the_bar_stays_and_that_is_said(open_page, badnets, tmp_path):
    trained(RunStore(tmp_path / "shipped"))
    app = open_page("attacks", run=badnets.id)
    app.selectbox(key="attack_choice").set_value("sig").run()
    assert app.selectbox(WIDGET).value == badnets.id and shown(app) == "SIG"
    assert words(app) == {"run": badnets.id, "attack": "sig"}
    assert f"{OTHER}: Digits, BadNets" in text_of(app)
    assert answering(app) == {"Model in hand"}
    app.selectbox(key="attack_choice").set_value("badnets").run()
    assert words(app) == {"run": badnets.id}, "its own attack leads back to it, and to no other"
    assert OTHER not in text_of(app)


def test_of_another_data_set_the_model_in_hand_does_not_answer(open_page, badnets):
    app = open_page("attacks", run=badnets.id, dataset="signs")
    assert words(app) == {"run": badnets.id, "dataset": "signs"}
    assert f"{OTHER}: Digits, BadNets" in text_of(app) and "answers stand below" not in text_of(app)
    assert not app.exception and not app.error


def test_where_a_link_names_a_model_and_another_attack_the_attack_wins(open_page, badnets, blend):
    app = open_page("attacks", run=badnets.id, attack="blend")
    for _ in range(2):
        assert shown(app) == "Blend" and app.selectbox(WIDGET).value == badnets.id
        assert words(app) == {"run": badnets.id, "attack": "blend"}
        assert f"{OTHER}: Digits, BadNets" in text_of(app)
        assert "Its answers stand below as well." in text_of(app)
        assert answering(app) == {"Backdoored", "Model in hand"}
        app.run()
    app.selectbox(WIDGET).select(blend.id).run()
    is_blend_as_trained(app, blend)


def test_a_link_that_names_an_attack_alone_takes_its_model(open_page, badnets, blend):
    app = open_page("attacks", attack="blend", dataset="digits")
    is_blend_as_trained(app, blend)
    app = open_page("attacks", attack="badnets", dataset="digits", strength="published")
    assert app.selectbox(WIDGET).value == badnets.id
    assert words(app) == {"run": badnets.id, "strength": "published"}


@pytest.mark.parametrize("fields", [{"run": "20200101-000000-train-x-00000000"}, {"run": "../x"},
                                    {"run": "[a](b)"}])
def test_a_run_that_is_not_there_is_a_card_and_the_model_in_hand_stays(open_page, badnets, fields):
    app = open_page("attacks", **fields)
    assert not app.exception and not app.error
    assert "There is no run" in app.info[0].value and " [a](b)" not in app.info[0].value
    assert shown(app) == "BadNets" and app.selectbox(WIDGET).value == badnets.id


def test_a_corrupt_run_is_a_card(runs, open_page, badnets):
    app = open_page("attacks", run=make_run(runs, "train", state="corrupt").id)
    assert not app.exception and not app.error
    assert "manifest.json" in app.info[0].value and shown(app) == "BadNets"


def test_beside_a_run_that_cannot_be_read_the_address_names_the_attack(open_page, badnets, blend):
    app = open_page("attacks", run="gone", attack="blend", dataset="digits")
    app.run()
    said = {"run": "gone", "dataset": "digits", "attack": "blend"}
    assert words(app) == said and app.selectbox(WIDGET).value == blend.id
    assert shown(open_page("attacks", **said)) == "Blend"
    app.selectbox(WIDGET).select(badnets.id).run()
    assert words(app) == {"run": badnets.id} and not app.info[0].value.startswith("There is no run")


def test_of_a_deleted_model_its_race_is_named(runs, open_page):
    race = make_run(runs, "purify", attack="blend")
    runs.find(race.config.source).delete()
    app = open_page("attacks")
    assert shown(app) == "Blend" and words(app) == {"run": race.id}
    assert app.selectbox(WIDGET).value == race.config.source


def test_a_benign_model_is_the_floor(open_page, badnets, runs):
    benign = trained(runs, attack="none", seed=1)
    trained(runs, attack="none")  # of the backdoored model's seed: the floor otherwise
    app = open_page("attacks", run=benign.id)
    assert not app.exception and not app.error and shown(app) == "BadNets"
    assert "The model in hand is benign" in text_of(app) and words(app) == {"run": benign.id}
    assert benign.id[-4:] in who(app)["Benign"]


def test_an_imported_model_of_unknown_attack_answers_beside_the_others(runs, open_page, badnets):
    theirs = imported(runs)
    app = open_page("attacks", run=theirs.id)
    assert not app.exception and not app.error and shown(app) == "BadNets"
    assert f"{OTHER}: Digits, attack unknown, imported theirs.pt" in text_of(app)
    assert answering(app) == {"Backdoored", "Model in hand"}
    assert "ASR, model in hand" in {tile.label for tile in app.metric}


def test_an_imported_model_of_a_known_attack_is_the_backdoored_one(runs, open_page, badnets):
    theirs = imported(runs, attack="blend", parameters="alpha=0.4", target=2)
    app = open_page("attacks", run=theirs.id)
    assert not app.exception and not app.error and shown(app) == "Blend"
    assert alpha(app).value == 0.4 and OTHER not in text_of(app)
    assert answering(app) == {"Backdoored"} and "target label **2**" in text_of(app)
    assert theirs.id[-4:] in who(app)["Backdoored"] and "ACC 12.0 %" in who(app)["Backdoored"]


def test_a_model_still_in_training_lends_its_settings_alone(runs, open_page, badnets):
    live = make_run(runs, "train", state="running", dataset="digits", strength="published")
    app = open_page("attacks", run=live.id)
    assert not app.exception and not app.error
    assert app.button_group("strength_choice").value == "published"
    assert "is not finished and does not answer below" in text_of(app)
    assert answering(app) == {"Backdoored"}


def test_a_painted_trigger_in_hand_is_shown_and_goes_on_to_configure(runs, open_page, started,
                                                                    badnets, monkeypatch):
    monkeypatch.setattr(preview, "poison_preview", poison_preview)
    painted = trained(runs, attack="painted", parameters=picture(), poison_rate=0.05)
    app = open_page("attacks", run=painted.id)
    assert not app.exception and not app.error and shown(app) == "Painted trigger"
    assert words(app) == {"run": painted.id} and "PSNR" in {tile.label for tile in app.metric}
    app = open_page("configure")
    app.selectbox(WIDGET).select(painted.id).run()
    assert not app.exception and not app.error
    app.button(key="train").click().run()
    assert (started[0].attack, started[0].parameters) == ("painted", picture())


def test_configure_begins_with_the_model_in_hand(open_page, started, badnets, blend):
    app = open_page("race")
    app.selectbox(WIDGET).select(blend.id).run()
    app.switch_page("app/views/configure.py").run()
    assert not app.exception and not app.error and not app.toast
    said = {"dataset": "digits", "attack": "blend", "strength": "published",
            "parameters": "alpha=0.4"}
    assert {name: address(app, name) for name in said} == said
    app.button(key="train").click().run()
    assert started == [TrainConfig(**said, epochs=12)], "on the small network, in a minute"


def test_configure_follows_the_bar(open_page, started, badnets, blend):
    app = open_page("configure", seed="4")
    for model, attack in ((badnets, "badnets"), (blend, "blend")):
        app.selectbox(WIDGET).select(model.id).run()
        assert not app.exception and not app.error
        assert address(app, "attack") == attack
    app.selectbox(WIDGET).select(badnets.id).run()
    app.button(key="train").click().run()
    assert started == [TrainConfig(dataset="digits", epochs=12, seed=4)]


def test_what_the_address_of_configure_names_wins(open_page, started, badnets, blend):
    app = open_page("configure", attack="sig", run="")
    app.button(key="train").click().run()
    assert started == [TrainConfig(dataset="digits", attack="sig", epochs=12)]


def test_another_attack_in_the_form_leaves_bar_and_no_parameters(open_page, started, badnets,
                                                                blend):
    app = open_page("configure")
    app.selectbox(WIDGET).select(blend.id).run()
    next(box for box in app.selectbox if box.key == "attack_choice").set_value("badnets").run()
    assert not app.exception and not app.error and app.selectbox(WIDGET).value == blend.id
    app.button(key="train").click().run()
    assert (started[0].attack, started[0].parameters) == ("badnets", "")


def test_attacks_still_hands_on_everything_that_was_chosen(open_page, started, badnets, blend,
                                                           monkeypatch):
    monkeypatch.setattr(preview, "poison_preview", poison_preview)
    gone = []
    faked(monkeypatch, streamlit, "switch_page", lambda page, query_params: gone.append(
        (page, query_params)))
    app = open_page("attacks", run=blend.id, parameters="alpha=0.3", poison_rate="0.05")
    app.button(key="train_this").click().run()
    assert gone == [("app/views/configure.py", {
        "dataset": "digits", "attack": "blend", "strength": "published",
        "parameters": "alpha=0.3", "poison_rate": "0.05"})]


def test_the_poison_rate_opens_at_that_of_the_model_in_hand(runs, open_page, badnets):
    rare = trained(runs, attack="blend", poison_rate=0.025)
    app = open_page("attacks", run=rare.id)
    assert rate(app) == 2.5 and address(app, "poison_rate") is None
    app.selectbox(WIDGET).select(badnets.id).run()
    assert not app.exception and rate(app) == 8 and address(app, "poison_rate") is None
    app.slider(key="poison_rate_percent").set_value(12.5).run()
    assert address(app, "poison_rate") == "0.125"
    del app.query_params["poison_rate"]  # a slow browser sends the old address
    app.slider(key="poison_rate_percent").set_value(20).run()
    assert (rate(app), address(app, "poison_rate")) == (20, "0.2")
    app.slider(key="poison_rate_percent").set_value(8).run()
    assert address(app, "poison_rate") is None
    app.selectbox(key="attack_choice").set_value("sig").run()
    assert rate(app) == 8, "no model of this attack"
    assert rate(open_page("attacks", run=rare.id, poison_rate="0.2")) == 20


def rate(app) -> float:
    return app.slider(key="poison_rate_percent").value
