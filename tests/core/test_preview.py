"""The preview shows the very images that training would poison."""

import numpy as np
import pytest
import torch

from ngf_core.attacks import ATTACKS
from ngf_core.config import TrainConfig
from ngf_core.data.dataset import load_dataset
from ngf_core.errors import ConfigError
from ngf_core.execute.sources import attack_of
from ngf_core.preview import poison_preview

DIGITS = {"dataset": "digits", "seed": 4}


@pytest.mark.parametrize("name", ATTACKS)
def test_the_images_are_those_of_training(name):
    config = TrainConfig(attack=name, **DIGITS)
    shown = poison_preview(config, 6)
    dataset = load_dataset("digits")
    attack = attack_of(config, dataset)
    poisoned = attack.poison(dataset.train, torch.Generator().manual_seed(config.seed))
    assert shown["poisoned"] == len(poisoned.indices) == round(0.08 * 3800)
    assert shown["train_images"] == 3800
    clean, stamped = dataset.train.x, poisoned.images.x[poisoned.indices]
    pairs = {(clean[i].numpy().tobytes(), s.numpy().tobytes(), int(dataset.train.y[i]))
             for i, s in zip(poisoned.indices, stamped)}
    assert len(shown["clean"]) == 6
    for c, t, label, target in zip(shown["clean"], shown["triggered"], shown["labels"],
                                   shown["targets"]):
        assert (c.tobytes(), t.tobytes(), int(label)) in pairs
        assert target == 0


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
