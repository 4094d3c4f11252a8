"""The sentence says what the numbers say, and nothing kinder."""

import pytest

from app.widgets.race.outcome import outcome, protocol
from ngf_core.config import PurifyConfig
from ngf_core.config.methods import with_layer
from ngf_core.purify import ANP, NGF, SGD, FineTuning


def rates(acc, asr, ra, n=100):
    values = {"acc": acc, "asr": asr, "ra": ra}
    return {name: {"hits": round(value * n), "n": n} for name, value in values.items()}


BEFORE = rates(0.99, 0.96, 0.03)


def test_a_removed_backdoor_is_called_removed():
    text = outcome({"before": BEFORE, "ngf": rates(0.98, 0.01, 0.97)}, ("ngf",))
    assert "works on 96.0 % of 100 images" in text
    assert "NGF removed the backdoor: the trigger works on 1.0 %, ACC is 98.0 %." in text


@pytest.mark.parametrize("method, label", [("ngf", "NGF"), ("sgd", "SGD")])
def test_an_asr_above_ten_percent_is_called_not_removed(method, label):
    text = outcome({"before": BEFORE, method: rates(0.98, 0.11, 0.85)}, (method,))
    assert f"{label} did not remove the backdoor" in text


def test_damage_is_not_called_cure():
    text = outcome({"before": BEFORE, "ngf": rates(0.90, 0.01, 0.30)}, ("ngf",))
    assert "silenced the trigger but did not cure" in text and "only 30.0 %" in text


def test_an_undefined_asr_is_not_called_removed():
    result = rates(0.9, 0.0, 0.0) | {"asr": {"hits": 0, "n": 0}, "ra": {"hits": 0, "n": 0}}
    text = outcome({"before": BEFORE, "ngf": result}, ("ngf",))
    assert "not measured (n = 0)" in text


def test_an_early_stop_is_said():
    result = rates(0.9, 0.5, 0.4) | {"stopped": "The loss grew."}
    assert "NGF stopped early" in outcome({"before": BEFORE, "ngf": result}, ("ngf",))


def test_a_benign_model_has_nothing_to_remove():
    before = rates(0.99, 0, 0) | {"asr": None, "ra": None}
    assert "benign" in outcome({"before": before, "ngf": before}, ("ngf",))


@pytest.mark.parametrize("after", [0.01, 0.40])
def test_where_the_attack_did_not_take_there_is_no_verdict(after):
    weak = rates(0.99, 0.89, 0.1)
    text = outcome({"before": weak, "ngf": rates(0.98, after, 0.9)}, ("ngf",))
    assert "little backdoor to remove" in text
    assert f"With NGF ASR goes from 89.0 % to {100 * after:.1f} % and ACC from 99.0 %" in text
    assert "removed" not in text and "did not remove" not in text and "cure" not in text


def test_an_attack_at_ninety_percent_took():
    text = outcome({"before": rates(0.99, 0.90, 0.1), "ngf": rates(0.98, 0.01, 0.9)}, ("ngf",))
    assert "NGF removed the backdoor" in text


def test_the_protocol_names_what_decides():
    config = PurifyConfig(source="x", methods=(NGF(layer="blocks.2.conv1"), FineTuning()),
                          augment="crop", seconds=30.0)
    text = protocol(config, {"clean_images": 250})
    for part in ("blocks.2.conv1", "250 clean images", "crop augmentation",
                 "BatchNorm recalibrated", "100 steps or 30 s", "(Fine-tuning: any layer)"):
        assert part in text


@pytest.mark.parametrize(("layer", "results", "said"), [
    ("conv1", {}, "Tuned: layer conv1; 5 % clean images"),
    ("conv1,linear", {}, "Tuned: layers conv1, linear;"),
    ("all", {"layer": "all"}, "Tuned: all layers;"),
    ("auto", {}, "Tuned: a layer chosen on the clean images;"),
    ("auto", {"layer": "linear"}, "Tuned: layer linear, chosen on the clean images;")])
def test_the_protocol_names_what_was_tuned(layer, results, said):
    methods = with_layer(PurifyConfig().methods, layer)
    assert protocol(PurifyConfig(source="x", methods=methods), results).startswith(said)


@pytest.mark.parametrize(("methods", "results", "said"), [
    ((ANP(), FineTuning()), {}, "Tuned: any layer;"),
    ((NGF(layer="auto"), SGD(layer="conv1")), {"layer": "linear"},
     "Tuned: layer linear, chosen on the clean images (NGF); layer conv1 (SGD);"),
    ((SGD(layer="conv1"), NGF(layer="auto"), ANP()), {"layer": "conv1", "choice": {
        "layer": "linear"}}, "Tuned: layer conv1 (SGD); layer linear, chosen on the clean images "
     "(NGF) (ANP: any layer);")])
def test_the_protocol_names_each_methods_layer(methods, results, said):
    assert protocol(PurifyConfig(source="x", methods=methods), results).startswith(said)


def test_the_protocol_says_how_the_clean_set_was_drawn_and_step_sizes_chosen():
    config = PurifyConfig(source="x", clean_balance="balanced", methods=(
        NGF(step_size="chosen"), SGD(), FineTuning(step_size="chosen")))
    text = protocol(config, {"clean_images": 250})
    assert "250 clean images, balanced by class, step size of NGF and Fine-tuning chosen on " \
           "them, strong" in text
