"""LIRA: bounded noise on every victim, two terms for each, a generator that lags and then rests."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ngf_core.attacks.attack import Attack, build_attack
from ngf_core.attacks.lira import LIRA
from ngf_core.errors import ConfigError
from ngf_core.models.normalise import Normalise
from tests.support.seeded import seeded
from tests.support.small_attacks import CPU, attack, image_set, pictures

SHAPE = (3, 16, 16)


class Spy(nn.Module):
    """A linear model with BatchNorm that keeps its last input and whether it was training."""

    def __init__(self) -> None:
        super().__init__()
        self.normalise, self.bn = Normalise(), nn.BatchNorm1d(math.prod(SHAPE))
        self.linear = nn.Linear(math.prod(SHAPE), 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen, self.was_training = x.detach(), self.training
        return self.linear(self.bn(self.normalise(x).flatten(1)))


def model() -> Spy:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Spy()


def begun(epochs: int = 4, **changes: float) -> tuple:
    """The set, a control of `epochs` epochs before its first, and a model."""
    images = image_set(100)
    a = unfitted(**changes).fit(images, CPU, lambda done, total, sentence: None)
    return images, a.control(images, seeded(), epochs, CPU), model()


def unfitted(**changes: float) -> Attack:
    return build_attack("lira", target=3, poison_rate=0.1, seed=0, shape=SHAPE, classes=10,
                        changes=changes)


def same(one: dict, two: dict) -> bool:
    return all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize(("strength", "most"), [("default", None), ("published", 3)])
def test_the_noise_is_bounded_and_survives_eight_bits(strength, most):
    a, x = attack("lira", SHAPE, strength=strength), pictures(6, SHAPE)
    epsilon = LIRA.strengths[strength]["epsilon"]
    noise = (a.trigger(x).int() - x.int()).abs()
    assert noise.max() <= 255 * epsilon + 0.5
    assert most is None or noise.max() <= most
    assert (noise > 0).float().mean() > 0.02


@pytest.mark.parametrize("strength", ["default", "published"])
def test_the_trigger_adds_the_networks_squashed_output(strength):
    a, x = attack("lira", SHAPE, strength=strength), pictures(6, SHAPE)
    with torch.no_grad():
        out = a.network(x).double().numpy()
    noisy = x.numpy() + 255 * LIRA.strengths[strength]["epsilon"] * np.tanh(out)
    expected = noisy.round().clip(0, 255)
    off = np.abs(a.trigger(x).numpy() - expected)
    assert off.max() <= 1 and (off > 0).mean() < 0.001


def test_the_noise_depends_on_the_image():
    a, x = attack("lira", SHAPE, changes={"epsilon": 0.1}), pictures(2, SHAPE) // 2 + 60
    one, two = a.trigger(x).int() - x.int()
    assert not torch.equal(one, two)


@pytest.mark.parametrize("rate", [0.001, 0.08, 0.5])
def test_every_victim_is_poisoned_whatever_the_rate(rate):
    images = image_set(100)
    poisoned = attack("lira", SHAPE, poison_rate=rate).poison(images, seeded())
    assert poisoned.indices.tolist() == [i for i in range(100) if i % 10 != 3]
    assert len(poisoned.cover) == 0


@pytest.mark.parametrize("alpha", [0.5, 0.2])
def test_the_loss_has_a_clean_and_a_poisoned_term(alpha):
    images, control, net = begun(alpha=alpha)
    drawn = control.epoch(0, net)
    rows = torch.randperm(100, generator=seeded())[:40]
    loss = control.loss(net, rows, drawn.images.x[rows], drawn.images.y[rows])

    victims = rows[images.y[rows] != 3]
    seen = torch.cat([images.x[rows], control.attack.trigger(images.x[victims])])
    assert 0 < len(victims) < 40
    assert (net.seen.int() - seen.int()).abs().max() <= 1
    said = net(net.seen)
    clean = F.cross_entropy(said[:40], images.y[rows])
    poison = F.cross_entropy(said[40:], torch.full((len(victims),), 3))
    assert loss.item() == pytest.approx((alpha * clean + (1 - alpha) * poison).item(), rel=1e-5)


def epoch_of_steps(control, net, number: int, images) -> None:
    drawn = control.epoch(number, net)
    for rows in torch.arange(100).split(50):
        control.loss(net, rows, drawn.images.x[rows], drawn.images.y[rows])
        control.step()


def test_the_trigger_lags_an_epoch_and_then_rests():
    images, control, net = begun(epochs=4, stage1=0.5, lr=0.01)
    net.train()
    used, copies = [], []
    for number in range(4):
        epoch_of_steps(control, net, number, images)
        used.append(dict(control.attack.learned))
        copies.append({f"noise.{k}": v.clone() for k, v in control.copy.state_dict().items()})
    assert not same(used[0], copies[0]), "nothing was learned"
    assert same(used[1], copies[0]) and not same(used[1], copies[1])
    assert same(used[2], copies[1]) and same(copies[2], copies[1])
    assert same(used[3], copies[1]) and same(copies[3], copies[1])


def test_the_images_of_an_epoch_carry_its_trigger():
    images, control, net = begun(stage1=1.0, lr=0.05, epsilon=0.1)
    first = control.epoch(0, net)
    for rows in torch.arange(100).split(50):
        control.loss(net, rows, first.images.x[rows], first.images.y[rows])
        control.step()
    second = control.epoch(1, net)
    for drawn in (first, second):
        assert torch.equal(drawn.indices, first.indices)
    assert not torch.equal(first.images.x, second.images.x)
    expected = control.attack.trigger(images.x[second.indices])
    assert torch.equal(second.images.x[second.indices], expected)
    untouched = images.y == 3
    assert torch.equal(second.images.x[untouched], images.x[untouched])


def test_a_step_of_the_generator_leaves_the_classifier_alone():
    images, control, net = begun()
    drawn, rows = control.epoch(0, net), torch.arange(50)
    net.train()
    control.loss(net, rows, drawn.images.x[rows], drawn.images.y[rows])
    before = {key: value.clone() for key, value in net.state_dict().items()}
    control.step()
    assert net.training and not net.was_training
    assert same(before, net.state_dict())
    assert all(weight.grad is None for weight in net.parameters())


def test_the_generator_finds_noise_that_the_classifier_takes_for_the_target():
    images, control, net = begun(lr=0.01, epsilon=0.1)
    drawn, rows = control.epoch(0, net), torch.arange(50)
    victims = images.x[rows][images.y[rows] != 3]

    def loss_of_target() -> float:
        now = control.attack.with_learned(
            {f"noise.{key}": value for key, value in control.copy.state_dict().items()})
        with torch.no_grad():
            said = net.eval()(now.trigger(victims))
        return F.cross_entropy(said, torch.full((len(victims),), 3)).item()

    before = loss_of_target()
    for _ in range(10):
        net.train()
        control.loss(net, rows, drawn.images.x[rows], drawn.images.y[rows])
        control.step()
    assert loss_of_target() < before - 0.5


def test_a_batch_without_victims_has_its_clean_term_only():
    images, control, net = begun(alpha=0.4)
    drawn, rows = control.epoch(0, net), torch.tensor([3, 13, 23])
    loss = control.loss(net, rows, drawn.images.x[rows], drawn.images.y[rows])
    clean = F.cross_entropy(net(images.x[rows]), images.y[rows])
    assert loss.item() == pytest.approx(0.4 * clean.item(), rel=1e-5)
    control.step()
    assert all(value.isfinite().all() for value in control.copy.state_dict().values())


def test_a_trigger_that_was_not_learned_says_so():
    with pytest.raises(ConfigError) as caught:
        unfitted().trigger(pictures(1, SHAPE))
    assert caught.value.field == "attack"
    assert "LIRA has not learned its noise generator yet" in str(caught.value)


def test_the_published_values_are_those_of_the_benchmark():
    published = LIRA.strengths["published"]
    assert (published["epsilon"], published["alpha"], published["lr"]) == (0.01, 0.5, 1e-4)
