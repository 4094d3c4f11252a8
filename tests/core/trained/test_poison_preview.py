"""The preview shows the very images that training would poison."""

import numpy as np
import pytest
import torch
from PIL import Image

from ngf_core.attacks import ATTACKS
from ngf_core.config import TrainConfig
from ngf_core.data import dataset
from ngf_core.data.dataset import load_dataset
from ngf_core.errors import ConfigError
from ngf_core.trained.load import attack_of
from ngf_core.trained.poison_preview import poison_preview

DIGITS = {"dataset": "digits", "seed": 4}


@pytest.mark.parametrize("name", ATTACKS)
def test_the_images_are_those_of_training(name):
    config = TrainConfig(attack=name, **DIGITS)
    shown = poison_preview(config, 6)
    dataset = load_dataset("digits")
    attack = attack_of(config, dataset)
    drawn = attack.draw(dataset.train.y, torch.Generator().manual_seed(config.seed))
    chosen = dataset.train.take(drawn)
    assert shown["poisoned"] == len(drawn)
    assert shown["train_images"] == 3800
    images = {x.numpy().tobytes(): (int(y), int(wanted)) for x, y, wanted
              in zip(chosen.x, chosen.y, attack.target_labels(chosen.y), strict=True)}
    assert len(shown["clean"]) == 6
    for clean, label, target in zip(shown["clean"], shown["labels"], shown["targets"], strict=True):
        assert images[clean.tobytes()] == (label, target)
    if not attack.ready:
        # Its trigger is yet to be learned: the preview says what, and shows none.
        assert shown["learns"] == attack.learns and "triggered" not in shown
        return
    assert shown["learns"] == ""
    clean = torch.from_numpy(shown["clean"])
    assert np.array_equal(shown["triggered"], attack.trigger(clean).numpy())


@pytest.mark.parametrize("name", ["badnets", "sig"])
def test_the_rate_is_a_share_of_all_training_images(name):
    assert poison_preview(TrainConfig(attack=name, **DIGITS))["poisoned"] == round(0.08 * 3800)


def test_a_benign_config_shows_plain_images():
    shown = poison_preview(TrainConfig(attack="none", **DIGITS), 3)
    assert shown["poisoned"] == 0 and len(shown["clean"]) == 3
    assert np.array_equal(shown["clean"], shown["triggered"])
    assert np.array_equal(shown["labels"], shown["targets"])


def test_fewer_poisoned_than_asked_for():
    shown = poison_preview(TrainConfig(poison_rate=0.001, **DIGITS), 16)
    assert shown["poisoned"] == len(shown["clean"]) == 4


@pytest.mark.parametrize(("changes", "field"), [
    ({"attack": "sig", "poison_rate": 0.3}, "poison_rate"), ({"target": 10}, "target")])
def test_impossible_combinations_say_why(changes, field):
    with pytest.raises(ConfigError) as caught:
        poison_preview(TrainConfig(**DIGITS | changes))
    assert caught.value.field == field


def folder_of(root, *sizes: int):
    """A folder with that many images of each class."""
    random = np.random.default_rng(0)
    for c, size in enumerate(sizes):
        place = root / f"kind {c}"
        place.mkdir(parents=True)
        for i in range(size):
            pixels = random.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(place / f"{i}.png")


@pytest.mark.parametrize(("attack", "sizes", "rate"), [
    ("badnets", (150, 150), 0.01),  # which is no image of twenty per class
    ("sig", (120, 30, 30), 0.4),    # and this share more than all of an equal class
])
def test_a_set_on_disk_is_counted_whole_and_only_what_is_shown_is_decoded(
        attack, sizes, rate, tmp_path, monkeypatch):
    monkeypatch.setenv("NGF_CACHE", str(tmp_path / "cache"))
    folder_of(tmp_path / "kinds", *sizes)
    config = TrainConfig(dataset="folder", root=str(tmp_path / "kinds"), size=12, attack=attack,
                         poison_rate=rate)
    decoded, real = [], dataset._pixels
    monkeypatch.setattr(dataset, "_pixels", lambda *a: decoded.append(a[2]) or real(*a))
    shown = poison_preview(config, 5)
    assert len(decoded) == len(shown["clean"]) <= 5
    whole = load_dataset("folder", config.root, size=12)
    assert shown["class_names"] == whole.class_names and shown["clean"].shape[1:] == (3, 12, 12)
    assert shown["train_images"] == len(whole.train) == round(0.76 * sum(sizes))
    assert shown["poisoned"] == round(rate * len(whole.train)) > 0
    drawn = attack_of(config, whole).draw(whole.train.y, torch.Generator().manual_seed(0))
    images = {x.numpy().tobytes() for x in whole.train.take(drawn).x}
    assert {x.tobytes() for x in shown["clean"]} <= images
