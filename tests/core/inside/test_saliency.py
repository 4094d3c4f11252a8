"""Saliency against finite differences in float64, and its share on a trigger by hand."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from ngf_core.errors import ConfigError
from ngf_core.inside.saliency import share_on, smooth_grad, trigger_pixels
from tests.support.tiny_models import seeded_model


class Smooth(nn.Module):
    """A smooth network in float64 on 2x5x5 images of three classes."""

    def __init__(self):
        super().__init__()
        self.conv, self.linear = nn.Conv2d(2, 3, 3), nn.Linear(27, 3)

    def forward(self, x):
        return self.linear(torch.tanh(self.conv(x)).flatten(1))


@pytest.fixture(scope="module")
def model():
    return seeded_model(Smooth).double()


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(3)
    return torch.rand((4, 2, 5, 5), generator=generator, dtype=torch.float64)


def differences(model, x, labels, h=1e-6):
    """∂z_label/∂x by central differences, (n, C, H, W)."""
    found = torch.zeros_like(x)
    for place in np.ndindex(*x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.clone()
            moved[place] += sign * h
            with torch.no_grad():
                ends.append(model(moved)[place[0], labels[place[0]]])
        found[place] = (ends[0] - ends[1]) / (2 * h)
    return found


def test_the_plain_gradient_is_that_of_finite_differences(model, images):
    labels = torch.tensor([0, 1, 2, 1])
    found = smooth_grad(model, images, labels, copies=1, noise=0.0)
    assert torch.allclose(found, differences(model, images, labels).abs().sum(1), atol=1e-8)


def test_smooth_grad_is_the_mean_over_noisy_copies_before_the_absolute_value(model, images):
    labels = torch.tensor([2, 0, 0, 1])
    generator = torch.Generator().manual_seed(7)
    copies = [images + 0.3 * torch.randn(images.shape, generator=generator, dtype=torch.float64)
              for _ in range(3)]
    expected = sum(differences(model, copy, labels) for copy in copies) / 3
    found = smooth_grad(model, images, labels, copies=3, noise=0.3, seed=7)
    assert torch.allclose(found, expected.abs().sum(1), atol=1e-8)
    assert not torch.allclose(found, smooth_grad(model, images, labels, copies=3, noise=0.3))


def test_the_model_is_left_as_it_was(model, images):
    model.train()
    smooth_grad(model, images, torch.zeros(4, dtype=torch.long))
    assert model.training and all(p.grad is None for p in model.parameters())


def test_wrong_numbers_are_refused(model, images):
    with pytest.raises(ConfigError, match="3 labels for 4 images"):
        smooth_grad(model, images, torch.zeros(3, dtype=torch.long))
    with pytest.raises(ConfigError, match="at least one copy"):
        smooth_grad(model, images, torch.zeros(4, dtype=torch.long), copies=0)


def test_the_share_on_the_trigger_is_counted_pixel_by_pixel():
    pixels = np.zeros((4, 4), bool)
    pixels[3, 2:] = True
    maps = torch.ones(3, 4, 4)
    maps[1, 3, 3] = 17.0  # 18 of 32
    maps[2] = 0.0
    share = share_on(maps, pixels)
    assert share.n == 2 and share.uniform == 2 / 16
    assert share.value == pytest.approx((2 / 16 + 18 / 32) / 2)
    assert share.error == pytest.approx(abs(2 / 16 - 18 / 32) / 2)
    maps[1:] = math.inf
    assert share_on(maps, pixels).n == 1 and math.isnan(share_on(maps[1:], pixels).value)


def test_a_trigger_is_a_small_region_or_none():
    x = torch.zeros(3, 3, 8, 8, dtype=torch.uint8)
    triggered = x.clone()
    assert trigger_pixels(x, triggered) is None
    triggered[0, 0, 7, 7], triggered[2, 1, 6, 7] = 255, 1
    assert np.argwhere(trigger_pixels(x, triggered)).tolist() == [[6, 7], [7, 7]]
    triggered[1, :, :4] = 9
    assert trigger_pixels(x, triggered) is None
