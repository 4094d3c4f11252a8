"""An attack put on show: the images, what they are measured on, and who answers for them."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ngf_core.attacks import ATTACKS
from ngf_core.attacks.attack import attack_class
from ngf_core.attacks.visibility import quality
from ngf_core.config import ImportConfig, TrainConfig
from ngf_core.config.imported import as_training
from ngf_core.data.dataset import load_dataset
from ngf_core.errors import ConfigError
from ngf_core.runs import RunStore
from ngf_core.trained.gallery import (
    MEASURED,
    SHOWN,
    Models,
    as_trained,
    ask,
    chosen,
    find_models,
    gallery,
    learned,
    stamp,
    triggered,
)
from tests.support import small_attacks
from tests.support.fabricated_runs import make_run

DIGITS = {"dataset": "digits", "seed": 4}


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "runs", tmp_path / "shipped")


@dataclass
class Picky:
    """An attack that would change the images of some classes only."""

    classes: tuple[int, ...]

    def victims(self, y):
        return torch.isin(y, torch.tensor(self.classes))


def test_one_of_each_class_comes_first():
    labels = torch.tensor([3, 3, 1, 2, 2, 1, 0, 3])
    assert chosen(Picky((1, 2, 3)), labels).tolist() == [2, 3, 0, 1, 4, 5, 7]


def test_victims_of_one_class_are_images_enough():
    assert chosen(Picky((5,)), torch.full((100,), 5)).tolist() == list(range(MEASURED))


def test_no_more_classes_are_shown_than_there_is_room_for():
    labels = torch.arange(20).repeat(5)
    first = labels[chosen(Picky(tuple(range(20))), labels)]
    assert first[:SHOWN].tolist() == list(range(SHOWN)) and len(first) == MEASURED


@pytest.mark.parametrize("name", ATTACKS)
def test_the_images_are_test_images_that_the_attack_would_change(name):
    config = TrainConfig(attack=name, **DIGITS)
    shown = gallery(config)
    dataset = load_dataset("digits")
    attack = learned(config, dataset, None)
    assert shown.clean.shape == (MEASURED, 1, 32, 32) and shown.class_names == dataset.class_names
    assert 1 <= shown.shown <= SHOWN and (shown.labels != shown.wanted).all()
    test = {x.numpy().tobytes(): int(y) for x, y in zip(dataset.test.x, dataset.test.y)}
    assert [test[x.tobytes()] for x in shown.clean] == shown.labels.tolist()
    labels = torch.from_numpy(shown.labels)
    assert shown.wanted.tolist() == attack.target_labels(labels).tolist()
    if attack.ready:
        stamped = attack.trigger(torch.from_numpy(shown.clean)).numpy()
        np.testing.assert_array_equal(shown.triggered, stamped)
        assert shown.quality == quality(shown.clean, stamped) and shown.missing == ""
        np.testing.assert_array_equal(triggered(config, shown.clean), stamped)
    else:
        assert shown.missing == attack.learns and shown.triggered is shown.quality is None
        assert triggered(config, shown.clean) is None


@pytest.mark.parametrize("name", [name for name in ATTACKS if attack_class(name).learns])
def test_what_was_learned_comes_from_the_run(name, store):
    ready = small_attacks.attack(name, (1, 32, 32))
    config = TrainConfig(attack=name, dataset="digits", seed=ready.seed, target=ready.target)
    run = make_run(store, "train", attack=name, dataset="digits", target=ready.target,
                   seed=ready.seed)
    save_file({key: value.contiguous() for key, value in ready.learned.items()},
              run.path / "attack.safetensors")
    shown = gallery(config, run)
    assert shown.missing == ""
    np.testing.assert_array_equal(shown.triggered,
                                  ready.trigger(torch.from_numpy(shown.clean)).numpy())


def test_changes_that_leave_the_images_alone_are_named():
    changed = TrainConfig(attack="wanet", parameters="s=3,noise_ratio=0,jitter=2", **DIGITS)
    assert gallery(changed).idle == ("noise_ratio", "jitter")
    usual = attack_class("wanet").strengths["default"]["jitter"]
    assert gallery(TrainConfig(attack="wanet", parameters=f"jitter={usual}", **DIGITS)).idle == ()


class Unfit:
    """An attack whose learned network is of another size."""

    ready = True

    def trigger(self, x):
        raise RuntimeError("size mismatch")


def test_what_was_learned_for_other_parameters_gives_no_trigger(store):
    run = make_run(store, "train", attack="wanet", dataset="digits")
    other = TrainConfig(attack="wanet", dataset="digits", parameters="k=8")
    assert stamp(Unfit(), torch.zeros(1), other, run) is None


def test_a_trigger_that_fails_for_its_own_parameters_is_a_fault(store):
    run = make_run(store, "train", attack="wanet", dataset="digits", parameters="k=8")
    same = TrainConfig(attack="wanet", dataset="digits", parameters="k=8.0")
    with pytest.raises(RuntimeError, match="size mismatch"):
        stamp(Unfit(), torch.zeros(1), same, run)
    with pytest.raises(RuntimeError, match="size mismatch"):
        stamp(Unfit(), torch.zeros(1), same, None)


@pytest.mark.parametrize("parameters", ["alpha=2", "beta=1", "alpha"])
def test_what_cannot_be_is_said(parameters):
    with pytest.raises(ConfigError) as caught:
        gallery(TrainConfig(attack="badnets", parameters=parameters, **DIGITS))
    assert caught.value.field == "parameters"


def made(store, *, shipped=False, **fields):
    return make_run(RunStore(store.shipped) if shipped else store, "train", **fields)


def test_without_runs_nobody_answers(store):
    found = find_models(TrainConfig(), store)
    assert found.backdoored is None and found.benign is None


def test_only_finished_runs_of_the_same_images_and_attack_answer(store):
    made(store, state="failed")
    made(store, attack="blend")
    made(store, dataset="digits")
    made(store, attack="none", dataset="digits")
    found = find_models(TrainConfig(), store)
    assert found.backdoored is None and found.benign is None
    run, benign = made(store), made(store, attack="none")
    found = find_models(TrainConfig(), store)
    assert (found.backdoored, found.benign) == (run, benign)


def test_the_run_of_the_very_parameters_answers_first(store):
    exact = made(store, parameters="alpha=0.40")
    same_strength = made(store)
    newest = made(store, strength="published")
    config = TrainConfig(parameters="alpha=0.4")
    assert find_models(config, store).backdoored == exact
    assert find_models(TrainConfig(parameters="alpha=0.6"), store).backdoored == same_strength
    assert find_models(TrainConfig(strength="published"), store).backdoored == newest


def test_own_runs_answer_before_shipped_ones_and_new_ones_before_old_ones(store):
    old = made(store)
    made(store, shipped=True)
    assert find_models(TrainConfig(), store).backdoored == old
    new = made(store, seed=5)
    assert new.manifest["created"] >= old.manifest["created"]
    newest = store.list("train")
    assert find_models(TrainConfig(), store).backdoored == next(r for r in newest if not r.shipped)


def test_the_benign_model_is_like_the_backdoored_one(store):
    made(store, arch="mini_preact_resnet", seed=3)
    like = made(store, attack="none", seed=3)
    made(store, attack="none", seed=1)
    made(store, attack="none", seed=3, limit=10)
    made(store, attack="none", seed=3, size=64)
    assert find_models(TrainConfig(), store).benign == like


def test_the_model_in_hand_answers_before_all_others(store):
    held, exact = made(store, strength="published"), made(store)
    benign, like = made(store, attack="none", seed=1), made(store, attack="none")
    assert find_models(TrainConfig(), store, held) == Models(held, like)
    assert find_models(TrainConfig(), store, benign) == Models(exact, benign)
    race = make_run(store, "purify", source=held.id)
    held.delete()
    assert find_models(TrainConfig(), store, race).backdoored == race
    theirs = make_run(store, "import", attack="unknown")
    assert find_models(TrainConfig(), store, theirs) == Models(exact, like)


def test_an_import_lends_what_is_known_of_it():
    known = ImportConfig(dataset="digits", attack="blend", strength="published", target=3, seed=4,
                         parameters="alpha=0.4", arch="mini_vgg", size=32)
    assert as_training(known) == TrainConfig(
        dataset="digits", attack="blend", strength="published", target=3, seed=4,
        parameters="alpha=0.4", arch="mini_vgg", size=32)
    for attack in ("unknown", "images"):
        nameless = replace(known, attack=attack, arch="their own")
        assert as_training(nameless) == TrainConfig(dataset="digits", seed=4, size=32)


def test_the_trigger_shown_is_the_one_that_the_model_knows(store):
    run = made(store, seed=9, target=4, epochs=3)
    config = as_trained(TrainConfig(strength="published", parameters="alpha=0.5"), run)
    assert (config.seed, config.target, config.epochs) == (9, 4, 3)
    assert (config.strength, config.parameters) == ("published", "alpha=0.5")
    assert as_trained(TrainConfig(), None) == TrainConfig()


class Counting(nn.Module):
    """Says class 1 of images with a bright first pixel, else class 0, with logits +-2."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        bright = (x[:, 0, 0, 0] > 100).float() * 4 - 2
        return torch.stack((-bright, bright), 1) * self.weight / 2


def test_answers_are_labels_with_their_probability():
    images = np.zeros((3, 1, 2, 2), np.uint8)
    images[1, 0, 0, 0] = 255
    said = ask(Counting(), images)
    assert said.labels.tolist() == [0, 1, 0]
    assert said.confidence == pytest.approx([1 / (1 + np.exp(-2))] * 3)
    rate = said.agreeing(np.array([0, 0, 0]))
    assert (rate.hits, rate.n) == (2, 3)


def test_parameters_of_another_time_are_no_reason_to_fail(store):
    run = SimpleNamespace(config=TrainConfig(attack="badnets", parameters="gone"))
    from ngf_core.trained.gallery import parameters

    assert parameters(run.config) is None
