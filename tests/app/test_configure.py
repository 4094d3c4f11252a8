"""Configure: the form, its errors, the images, and the run it starts and follows."""

import pytest
from streamlit.testing.v1 import AppTest

from app.widgets.controls.address import fits
from ngf_core.config import TrainConfig
from ngf_core.data import download as fetching
from ngf_core.errors import ConfigError, NGFError
from ngf_core.trained import poison_preview as preview
from tests.support.fabricated_runs import make_run
from tests.support.faked import faked
from tests.support.pages import address, text_of
from tests.support.pretended_science import poison_preview


@pytest.mark.parametrize(("text", "whole", "fitting"), [
    ("3", True, True), ("3.5", True, False), ("3.5", False, True), ("nan", False, False),
    ("inf", False, False), ("11", True, False), ("ten", False, False), ("1e0", False, True)])
def test_which_numbers_of_an_address_fit(text: str, whole: bool, fitting: bool) -> None:
    assert fits(text, 1, 10, whole) is fitting


@pytest.mark.parametrize("seed", ["9" * 30, "9" * 400, "1e400", "-1", "nan"])
def test_a_number_that_does_not_fit_gives_a_toast_and_the_default(open_page, seed: str) -> None:
    app = open_page("configure", seed=seed)
    assert [toast.value.partition(", ")[2] for toast in app.toast] == [
        "which is not a whole number from 0 to 2,147,483,647. The default is shown."]
    for _ in range(2):
        assert not app.exception and not app.error
        assert app.number_input(key="seed").value == 0
        app.run()
    assert app.number_input(key="seed").set_value(7).run().number_input(key="seed").value == 7


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def test_nothing_starts_by_itself(open_page, started) -> None:
    app = open_page("configure")
    assert not app.exception and not app.error
    assert "Train this model" in labels(app)
    assert started == []


def test_poison_rate_is_shown_with_its_count_and_the_cost(open_page, started) -> None:
    text = text_of(open_page("configure", poison_rate="0.1"))
    assert "475 of 4,750" in text and "(10.0\u00a0%)" in text
    assert "About 38 s, 4.2 MB of disk and 1.5 GB of memory" in text


def test_the_address_is_the_form(open_page, started) -> None:
    app = open_page("configure", dataset="digits", attack="blend", poison_rate="0.05", target="3",
                    seed="4", budget="own", epochs="9", strength="published")
    app.button(key="train").click().run()
    assert started == [TrainConfig(dataset="digits", attack="blend", poison_rate=0.05, target=3,
                                   seed=4, epochs=9, strength="published")]


def test_quick_and_full_budgets(open_page, started) -> None:
    app = open_page("configure")
    app.button(key="train").click().run()
    assert started[0].epochs == 12
    app = open_page("configure", budget="full")
    app.button(key="train").click().run()
    assert started[1] == TrainConfig()


def test_the_page_follows_the_run_it_started(open_page, started, runs) -> None:
    app = open_page("configure")
    app.button(key="train").click().run()
    run = runs.list("train")[0]
    assert address(app, "run") == run.id
    assert f"cancel_{run.id}" in {button.key for button in app.button}
    assert "Train this model" not in labels(app)


def test_an_impossible_setting_is_named_at_its_field(open_page, started) -> None:
    app = open_page("configure", poison_rate="0.2")
    assert [error.value for error in app.error] == [
        "There are too few images of that class. Use at most 0.1."]
    assert "Train this model" not in labels(app)


def test_values_that_do_not_fit_give_the_default_and_a_toast(open_page, started) -> None:
    app = open_page("configure", attack="zzz", seed="many", poison_rate="7")
    toasts = " ".join(toast.value for toast in app.toast)
    assert "attack=zzz" in toasts and "seed=many" in toasts and "poison_rate=7" in toasts
    assert len(app.toast) == 3
    app.button(key="train").click().run()
    assert started == [TrainConfig(epochs=12)]


@pytest.mark.parametrize("name", ["target", "dataset"])
def test_a_control_that_lost_its_value_takes_that_of_the_address(open_page, started, name) -> None:
    app = open_page("configure", target="3", dataset="digits")
    app.session_state[f"{name}_choice"] = None
    app.run()
    assert not app.exception and not app.error
    app.button(key="train").click().run()
    assert (started[0].target, started[0].dataset) == (3, "digits")


@pytest.mark.parametrize("parameters", ["", "alpha=0.5"])
def test_parameters_that_a_link_sets_are_in_sight(open_page, started, parameters) -> None:
    app = open_page("configure", **({"parameters": parameters} if parameters else {}))
    details = next(box for box in app.expander if box.label == "Training details")
    assert details.proto.expanded is bool(parameters)
    app.button(key="train").click().run()
    assert started[0].parameters == parameters


def test_a_benign_model_asks_for_no_trigger(open_page, started) -> None:
    app = open_page("configure", attack="none")
    assert "poison_rate" not in {field.key for field in app.number_input}
    app.button(key="train").click().run()
    assert started == [TrainConfig(attack="none", epochs=12)]


def test_an_identical_finished_run_is_offered(open_page, started, runs) -> None:
    run = make_run(runs, "train", epochs=12)
    app = open_page("configure")
    assert run.id in text_of(app) and "Reuse this run" in labels(app)
    app.button(key="train_reuse").click().run()
    assert address(app, "run") == run.id and started == []


def test_a_run_of_another_seed_is_not_identical(open_page, started, runs) -> None:
    make_run(runs, "train", epochs=12, seed=1)
    assert "Reuse this run" not in labels(open_page("configure"))


def test_a_finished_run_shows_its_numbers_and_the_race(open_page, started, runs) -> None:
    run = make_run(runs, "train")
    app = open_page("configure", run=run.id)
    assert not app.exception
    tiles = {tile.label: tile for tile in app.metric}
    assert list(tiles) == ["ACC", "ASR", "RA"]
    assert "n = 900" in tiles["ASR"].delta
    assert "Race NGF against SGD on this model" in labels(app)


def test_below_a_finished_run_the_form_is_folded_away(open_page, started, runs) -> None:
    run = make_run(runs, "train", epochs=12)
    app = open_page("configure", run=run.id)
    assert "Train another model" in [box.label for box in app.expander]
    assert "computed already" not in text_of(app) and "Train it again" not in labels(app)


def test_the_run_shown_is_not_offered_again(open_page, started, runs, monkeypatch) -> None:
    run = make_run(runs, "train", epochs=12)
    make_run(runs, "train", epochs=12, seed=1)
    app = open_page("configure", run=run.id)
    app.session_state[f"another_{run.id}"] = True
    app.run()
    assert not app.exception and not app.error
    assert "computed already" not in text_of(app) and "Reuse this run" not in labels(app)
    app.button(key="train_again").click().run()
    assert started == [TrainConfig(epochs=12)]


@pytest.mark.parametrize(("state", "sentence"), [
    ("failed", "no longer finite"), ("lost", "worker died"), ("cancelled", "Cancelled at step")])
def test_a_run_that_ended_badly_says_why_and_starts_again(open_page, started, runs, state,
                                                         sentence) -> None:
    run = make_run(runs, "train", state=state)
    app = open_page("configure", run=run.id)
    assert sentence in text_of(app)
    app.button(key=f"again_{run.id}").click().run()
    assert started == [run.config]


def test_an_unknown_run_is_a_card_and_the_form_stays(open_page, started) -> None:
    app = open_page("configure", run="20200101-000000-train-x-00000000")
    assert "There is no run" in app.info[0].value
    assert "Train this model" in labels(app)


def test_a_set_that_is_not_here_is_named_and_offered(open_page, started, monkeypatch, tmp_path):
    def not_here(config: TrainConfig, count: int) -> dict:
        raise ConfigError("root", f"CIFAR-10 is not in {tmp_path}", "Put its files there.")

    faked(monkeypatch, preview, "poison_preview", not_here)
    app = open_page("configure", dataset="cifar10", root=str(tmp_path), limit="5")
    text = text_of(app)
    assert f"CIFAR-10 is not in {tmp_path}. Put its files there." in text
    assert "170 MB" in text and "Nothing is fetched unless you press" in text
    assert "Download CIFAR-10" in labels(app) and "Train this model" not in labels(app)


def test_a_server_for_many_reads_no_path_from_an_address(open_page, started, monkeypatch,
                                                         tmp_path):
    monkeypatch.setenv("NGF_SHARED", "1")
    app = open_page("configure", dataset="cifar10", root=str(tmp_path), weights=str(tmp_path))
    assert not {"root", "weights"} & {item.key for item in app.text_input}
    app.button(key="train").click().run()
    assert (started[0].dataset, started[0].root, started[0].weights) == ("cifar10", "", "")


def test_fetching_shows_its_end(open_page, started, monkeypatch, tmp_path):
    def not_here(config: TrainConfig, count: int) -> dict:
        raise ConfigError("root", "it is not here", "Put its files there.")

    def offline(name, root, report):
        assert (name, root) == ("mnist", str(tmp_path))
        report(5, 10)
        raise NGFError("MNIST could not be downloaded. Check the connection.")

    faked(monkeypatch, preview, "poison_preview", not_here)
    faked(monkeypatch, fetching, "download", offline)
    app = open_page("configure", dataset="mnist", root=str(tmp_path))
    app.button(key="download").click().run()
    assert "MNIST could not be downloaded. Check the connection." in text_of(app)


def test_settings_of_data_and_trigger_are_asked_for(open_page, started) -> None:
    app = open_page("configure", parameters="alpha=0.5", dataset="signs")
    app.button(key="train").click().run()
    assert started[0].parameters == "alpha=0.5" and started[0].root == ""
    app = open_page("configure", dataset="imagenet", root="here", limit="7", size="64")
    app.button(key="train").click().run()
    config = started[1]
    assert (config.dataset, config.root, config.limit, config.size) == ("imagenet", "here", 7, 64)


def test_what_an_attack_must_learn_is_said(open_page, started, monkeypatch):
    def learning(config: TrainConfig, count: int) -> dict:
        shown = poison_preview(config, count) | {"learns": "generator"}
        return {name: value for name, value in shown.items() if name != "triggered"}

    faked(monkeypatch, preview, "poison_preview", learning)
    app = open_page("configure")
    assert not app.exception and "first has to learn its generator" in text_of(app)
