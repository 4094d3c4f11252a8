"""A look inside the models of real small runs."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from ngf_core.data.dataset import Images
from ngf_core.errors import ConfigError
from ngf_core.evaluate.test_set import Triggered
from ngf_core.inside import models
from ngf_core.inside.models import look_inside, salient
from ngf_core.inside.settings import Look
from ngf_core.trained.load import load_trained
from ngf_core.trained.samples import draw

# There are 20 test images, 18 of other classes than the attacker's.
LOOK = Look(images=60, seed=4)
CLEAN, VICTIMS = 20, 18


@pytest.fixture(scope="module")
def trained(race, runs):
    return load_trained(race.id, runs)


@pytest.fixture(scope="module")
def inside(trained):
    return look_inside(trained, LOOK)


def test_every_model_sees_the_same_images(inside, trained):
    assert inside.models == ("before", "ngf", "sgd") and inside.layer == "blocks.2.conv2"
    drawn = draw(trained.dataset, trained.attack, 60, 4)
    assert np.array_equal(inside.images["clean"], drawn.clean.x.numpy())
    changed = np.argwhere((inside.images["triggered"] != inside.images["originals"]).any((0, 1)))
    assert changed.min() >= trained.dataset.shape[-1] - 3, "the trigger is in the corner"
    for seen in inside.seen.values():
        assert {part: len(of.features) for part, of in seen.items()} == {
            "clean": CLEAN, "triggered": VICTIMS, "originals": VICTIMS}
    assert len(inside.features("ngf")) == CLEAN + VICTIMS


def test_answers_agree_with_the_model_and_with_the_counts(inside, trained):
    x = torch.from_numpy(inside.images["triggered"]).float() / 255
    with torch.no_grad():
        answers = trained.models["sgd"](x).argmax(1).numpy()
    assert np.array_equal(answers, inside.seen["sgd"]["triggered"].answers)
    assert inside.obeying("sgd") == (answers == inside.wanted).sum()
    counts = inside.confusion("sgd", "triggered")
    assert counts.sum() == VICTIMS
    assert counts.trace() == (answers == inside.truth["triggered"]).sum()


def test_a_model_whose_last_layer_alone_changed_has_the_same_features(inside, trained):
    assert not inside.same_features("ngf")
    head = copy.deepcopy(trained.models["before"])
    with torch.no_grad():
        head.linear.weight.mul_(-1)
    found = look_inside(replace(trained, models={"before": trained.models["before"], "sgd": head}),
                        LOOK)
    assert found.same_features("sgd")
    assert (found.seen["sgd"]["clean"].answers != found.seen["before"]["clean"].answers).any()


def test_saliency_is_of_the_first_triggered_images(trained, monkeypatch):
    monkeypatch.setattr(models, "SALIENT", 5)
    found = salient(trained, LOOK)
    side = trained.dataset.shape[-1]
    assert found.maps["ngf"].shape == (5, side, side)
    assert found.pixels.sum() <= 9 and set(found.shares) == {"before", "ngf", "sgd"}
    assert found.shares["before"].uniform == pytest.approx(found.pixels.sum() / side**2)


def test_a_benign_model_has_no_trigger(benign, runs):
    trained = load_trained(benign.id, runs)
    inside = look_inside(trained, LOOK)
    assert not inside.has_trigger and inside.shift("before") is None
    assert inside.confusion("before", "triggered") is None and inside.obeying("before") == 0
    assert inside.plane().project(inside.features("before")).shape == (CLEAN, 2)
    assert salient(trained, LOOK) is None


def test_given_triggered_images_have_no_originals(trained):
    drawn = draw(trained.dataset, trained.attack, 30, 0)
    unknown = Images(drawn.triggered.x, torch.full_like(drawn.wanted, -1))
    given = replace(trained, attack=None, given=Triggered(unknown, drawn.wanted))
    inside = look_inside(given, LOOK)
    assert "originals" not in inside.images and not inside.shift("before").paired
    assert inside.confusion("before", "triggered") is None
    found = salient(given, LOOK)
    assert found.pixels is None and found.shares == {} and len(found.maps["before"]) == VICTIMS


def test_an_unknown_layer_is_refused(trained):
    with pytest.raises(ConfigError, match="no layer 'nowhere'. Choose one of stem, "):
        look_inside(trained, Look(layer="nowhere"))


@pytest.mark.parametrize(("wrong", "what"), [
    ({"images": 3}, "images: 3 is out of range. Use a whole number from 20 to 1000"),
    ({"images": 1001}, "images"), ({"seed": -1}, "seed: -1 is out of range")])
def test_numbers_out_of_range_are_refused(wrong, what):
    with pytest.raises(ConfigError, match=what):
        Look(**wrong)


def test_the_command_names_what_is_not_usual():
    assert Look().command("a-race") == "python -m ngf_core inside a-race"
    assert Look(seed=3, layer="conv1").command("a b") == (
        "python -m ngf_core inside 'a b' --seed 3 --layer conv1")
