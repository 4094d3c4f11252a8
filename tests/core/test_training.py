"""Training: it learns, poisons as often as it should, and repeats itself."""

import math

import pytest
import torch
from torch import nn

from ngf_core.attacks.attack import build_attack
from ngf_core.config import TrainConfig
from ngf_core.data.dataset import Images
from ngf_core.models.build import build_model
from ngf_core.training import resolve_precision, train

CPU = torch.device("cpu")
SHAPE = (1, 8, 8)


def model(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Small()


class Small(nn.Module):
    """A convolution with BatchNorm and a linear layer that remember which images they saw."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.linear = nn.Linear(144, 10)
        self.seen: list[torch.Tensor] = []
        self.modes: set[bool] = set()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x.clone())
        self.modes.add(self.training)
        x = x.to(self.conv.weight.dtype) / 255
        return self.linear(torch.relu(self.bn(self.conv(x))).flatten(1))


def images(n: int = 120) -> Images:
    """Ten classes that differ in one bright row or column."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 60, (n, *SHAPE), generator=generator)
    y = torch.arange(n) % 10
    for i in range(n):
        c = int(y[i])
        x[i, 0, c if c < 6 else slice(None), slice(None) if c < 6 else c - 5] += 150
    return Images(x.to(torch.uint8), y)


def settings(**changes: object) -> TrainConfig:
    return TrainConfig(**{"epochs": 3, "batch_size": 16, "lr": 0.05, "precision": "float32"}
                       | changes)


def attack(name: str):
    return build_attack(name, target=3, poison_rate=0.1, seed=0, shape=SHAPE, classes=10)


def test_an_epoch_lowers_the_loss():
    epochs = list(train(model(), images(), None, settings(epochs=6), CPU))
    assert [e.epoch for e in epochs] == [1, 2, 3, 4, 5, 6]
    assert epochs[1].loss < epochs[0].loss and epochs[-1].loss < 0.5 * epochs[0].loss
    assert 0 < epochs[0].seconds < epochs[-1].seconds
    assert all(len(e.poisoned) == 0 for e in epochs)


def test_an_epoch_sees_every_image_once():
    net = model()
    list(train(net, images(50), None, settings(epochs=1), CPU))
    assert [len(x) for x in net.seen] == [16, 16, 16, 2] and net.modes == {True}
    seen = sorted(x.flatten().tolist() for x in torch.cat(net.seen))
    assert seen == sorted(x.flatten().tolist() for x in images(50).x)
    assert not net.training, "left in training mode"


def test_the_first_loss_is_the_mean_cross_entropy():
    net, data = model(), images(48)
    expected = nn.functional.cross_entropy(model().train()(data.x), data.y).item()
    (epoch,) = train(net, data, None, settings(epochs=1, batch_size=48), CPU)
    assert epoch.loss == pytest.approx(expected, rel=1e-5)


def test_a_data_poisoning_attack_draws_once():
    epochs = list(train(model(), images(), attack("badnets"), settings(), CPU))
    drawn = [e.poisoned.tolist() for e in epochs]
    assert len(drawn[0]) == 12 and drawn[0] == drawn[1] == drawn[2]


def test_an_attacker_who_trains_draws_every_epoch():
    epochs = list(train(model(), images(), attack("wanet"), settings(), CPU))
    drawn = [e.poisoned.tolist() for e in epochs]
    assert all(len(d) == 12 for d in drawn)
    assert drawn[0] != drawn[1] != drawn[2]


@pytest.mark.parametrize("name", ["badnets", "wanet"])
def test_the_poisoned_images_are_what_is_trained_on(name):
    net, data, a = model(), images(), attack(name)
    (epoch,) = train(net, data, a, settings(epochs=1), CPU)
    seen = {bytes(x.flatten().tolist()) for x in torch.cat(net.seen)}
    stamped = a.trigger(data.x[epoch.poisoned])
    assert all(bytes(x.flatten().tolist()) in seen for x in stamped)
    assert torch.equal(data.x, images().x), "the given images were changed"


def test_the_config_alone_decides():
    def weights(seed: int, global_seed: int) -> torch.Tensor:
        torch.manual_seed(global_seed)
        net = model()
        list(train(net, images(), attack("wanet"), settings(seed=seed, epochs=2), CPU))
        return torch.cat([p.detach().flatten() for p in net.parameters()])

    assert torch.equal(weights(1, 1), weights(1, 2))
    assert not torch.equal(weights(1, 1), weights(2, 1))


@pytest.mark.parametrize("batches", range(1, 9))
def test_runs_of_a_few_steps_have_a_schedule_too(batches):
    (epoch,) = train(model(), images(16 * batches), None, settings(epochs=1), CPU)
    assert epoch.loss > 0


def test_weight_decay_and_learning_rate_reach_the_optimiser():
    def size(**changes: float) -> float:
        net = model()
        list(train(net, images(), None, settings(**changes), CPU))
        return float(net.linear.weight.detach().norm())

    assert size(weight_decay=0.1, lr=0.3) < size(weight_decay=0.0, lr=0.3)
    start = float(model().linear.weight.detach().norm())
    assert size(lr=1e-5) == pytest.approx(start, rel=1e-3)


@pytest.mark.parametrize(("amx", "avx512_bf16", "auto"), [
    (True, False, "bf16"), (False, True, "bf16"), (False, False, "float32")])
def test_auto_precision_is_bf16_where_the_processor_multiplies_it(monkeypatch, amx, avx512_bf16,
                                                                  auto):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    assert resolve_precision("auto", CPU) == auto
    assert resolve_precision("float32", CPU) == "float32"
    assert resolve_precision("bf16", CPU) == "bf16"


@pytest.mark.parametrize("bf16", [True, False])
def test_auto_precision_on_a_gpu(monkeypatch, bf16):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bf16)
    assert resolve_precision("auto", torch.device("cuda")) == ("bf16" if bf16 else "float32")


def test_bf16_trains_float32_weights():
    net = model()
    epochs = list(train(net, images(), None, settings(epochs=4, precision="bf16"), CPU))
    assert epochs[-1].loss < epochs[0].loss
    assert net.conv.weight.dtype == torch.float32


def test_a_last_batch_of_one_image_is_left_out():
    x = torch.randint(0, 256, (17, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator())
    network = build_model("mini_vgg", (3, 32, 32), 10)
    seen = []
    network.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    config = TrainConfig(batch_size=8, epochs=1)
    (epoch,) = train(network, Images(x, torch.arange(17) % 10), None, config, CPU)
    assert seen == [8, 8] and math.isfinite(epoch.loss)
