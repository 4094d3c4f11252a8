"""NFT: an update written out, the bounds, and that a channel which hurts is damped."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ngf_core.models.build import build_model
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.masks import channels_of
from ngf_core.purify.methods.nft import NFT, lower_bounds, nft
from ngf_core.purify.step import Diverged
from tests.support.tiny_models import Tiny, asked, clean_set, seeded_model, tiny


def of(**changes: object):
    return asked("nft", **{"batchnorm": "frozen"} | changes)


def mixed(config, step: int, draws: torch.Generator) -> tuple:
    """Mixed images, both labels and the share, drawn as the method says."""
    x, y = CleanBatches(clean_set(), config, torch.device("cpu"))(step)
    share = torch.rand((), generator=draws).item()
    order = torch.randperm(len(x), generator=draws)
    pictures = torch.stack([share * x[i] + (1 - share) * x[j] for i, j in enumerate(order)])
    return pictures, y, y[order], share


def test_updates_written_out():
    """A mask's slope is the received scale times the scale's; |1 - m| has none at 1."""
    own, config = of(gamma=0.06, lr=0.01, lr_end=0.01, steps=6)
    model, other = tiny(), tiny().eval()
    with torch.no_grad():
        for m in (model, other):
            m.bn1.weight.copy_(torch.tensor([1.0, 2.0, 0.5, -1.0]))
            m.linear.weight.mul_(-9)  # so that some masks want to fall, and far
    steps = list(nft(model, clean_set(), own, config))
    received = {name: getattr(other, name).weight.detach().clone() for name in ("bn1", "bn2")}
    mask = {name: torch.ones_like(weight) for name, weight in received.items()}
    speed = {name: torch.zeros_like(weight) for name, weight in received.items()}
    draws = torch.Generator().manual_seed(config.seed)
    for k in range(6):
        x, a, b, share = mixed(config, k, draws)
        loss = share * F.cross_entropy(other(x), a) + (1 - share) * F.cross_entropy(other(x), b)
        assert steps[k].loss == pytest.approx(loss.item(), rel=1e-5)
        slopes = torch.autograd.grad(loss, [other.bn1.weight, other.bn2.weight])
        for name, slope in zip(("bn1", "bn2"), slopes):
            pull = -0.06 / (24 / 4) * (1 - mask[name]).sign()
            speed[name] = 0.95 * speed[name] + slope * received[name] + pull
            mask[name] = (mask[name] - 0.01 * speed[name]).clamp(max=1)
            getattr(other, name).weight.data = mask[name] * received[name]
    assert torch.allclose(model.bn1.weight, other.bn1.weight, atol=1e-6)
    assert torch.allclose(model.bn2.weight, other.bn2.weight, atol=1e-6)
    every = torch.cat([mask["bn1"], mask["bn2"]])
    assert (every < 1).any() and (every == 1).any()


def test_only_the_scales_change_and_they_stay_within_bounds():
    received, model = tiny(), tiny()
    list(nft(model, clean_set(), *of(lr=3, alpha=0.99, beta=0.01, steps=12)))
    old = dict(received.named_parameters())
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, old[name])}
    assert moved == {"bn1.weight", "bn2.weight"}
    for depth, name in ((1, "bn1"), (2, "bn2")):
        mask = getattr(model, name).weight / getattr(received, name).weight
        low = 0.99 * math.exp(-0.01 * depth)
        assert mask.max() <= 1 and mask.min() >= low - 1e-6
    assert mask.min().item() == pytest.approx(low), "a rate of 3 throws some against the bound"


def test_bounds_fall_with_depth():
    bounds = lower_bounds(channels_of(tiny(), "NFT"), NFT(alpha=0.6, beta=1.0))
    expected = [0.6 * math.exp(-1)] * 4 + [0.6 * math.exp(-2)] * 5
    assert bounds.tolist() == pytest.approx(expected)


class Planted(nn.Module):
    """Channel 0 tells the class; channel 1 adds noise-like evidence for class 0."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(2)
        self.linear = nn.Linear(2, 2)
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(2).view(2, 2, 1, 1))
            self.linear.weight.copy_(torch.tensor([[-9.0, 9.0], [9.0, -9.0]]))
            self.linear.bias.copy_(torch.tensor([4.5, -4.5]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.bn(self.conv(x)).mean((2, 3)))


def test_a_planted_channel_that_hurts_is_damped_and_the_good_one_kept():
    images = clean_set(64, (2, 4, 4), 2)
    images.x[:, 0] = 255 * images.y.to(torch.uint8).view(-1, 1, 1)
    model = seeded_model(Planted)
    list(nft(model, images, *of(steps=100, augment="none", batch_size=64)))
    kept, damped = model.bn.weight.tolist()
    assert kept > 0.9 and damped == pytest.approx(0.8 * math.exp(-0.5), rel=1e-3)


def test_a_network_without_batchnorm_is_masked_in_its_weights():
    model, received = (build_model("mini_vit", (3, 8, 8), 4) for _ in range(2))
    list(nft(model, clean_set(), *of(steps=2)))
    ratio = model.blocks[0].linear1.weight / received.blocks[0].linear1.weight
    assert torch.allclose(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-4) and ratio.max() <= 1
    assert not torch.equal(model.blocks[0].linear1.weight, received.blocks[0].linear1.weight)
    assert torch.equal(model.linear.weight, received.linear.weight), "the last layer has no mask"


class Steep(Tiny):
    """No finite answer once a scale has fallen below 0.98."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * (1.0 if self.bn2.weight.min() > 0.98 else torch.nan)


def test_a_diverging_run_puts_the_finite_scales_back():
    model, kept = seeded_model(Steep), [tiny().bn2.weight]
    with pytest.raises(Diverged, match="NFT diverged after"):
        for _ in nft(model, clean_set(), *of(lr=0.05, steps=300)):
            kept.append(model.bn2.weight.detach().clone())
    assert len(kept) > 2 and torch.equal(model.bn2.weight, kept[-2])
    assert model.bn2.weight.min() > 0.98
