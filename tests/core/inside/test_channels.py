"""Shifts of channels against scipy's t statistics, and a channel that was planted."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from ngf_core.errors import ConfigError
from ngf_core.inside.channels import shift
from ngf_core.inside.features import see


class Planted(nn.Module):
    """Channel 2 of its convolution sees the white corner alone; the others see some of the image.
    """

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.conv = nn.Conv2d(3, 4, 8, bias=False)
            self.linear = nn.Linear(4, 3)
        with torch.no_grad():
            self.conv.weight[:, :, -2:, -2:] = 0
            self.conv.weight[2, :, -2:, -2:] = 5.0

    def forward(self, x):
        return self.linear(torch.relu(self.conv(x)).flatten(1))


def stamped(count=40):
    x = torch.randint(0, 256, (count, 3, 8, 8), dtype=torch.uint8,
                      generator=torch.Generator().manual_seed(1))
    triggered = x.clone()
    triggered[..., -2:, -2:] = 255
    return x, triggered


def test_the_planted_channel_is_found_and_the_others_stay():
    x, triggered = stamped()
    model = Planted()
    found = shift(see(model, x).channels, see(model, triggered).channels, paired=True)
    assert found.on(1) == [2] and found.value[2] > 3
    assert np.allclose(found.value[[0, 1, 3]], 0, atol=1e-5)


@pytest.fixture(scope="module")
def activations():
    rng = np.random.default_rng(2)
    clean = rng.normal(3, 2, (30, 5))
    return clean, clean + rng.normal(0.5, 1, (30, 5))


def test_value_over_error_is_the_t_statistic(activations):
    clean, triggered = activations
    paired = shift(clean, triggered, paired=True)
    assert np.allclose(paired.value / paired.error, stats.ttest_rel(triggered, clean).statistic)
    welch = shift(clean, triggered[:20], paired=False)
    assert np.allclose(welch.value / welch.error, stats.ttest_ind(
        triggered[:20], clean, equal_var=False).statistic)
    spread = np.sqrt(((clean - clean.mean(0)) ** 2).sum(0) / 29)
    assert np.allclose(paired.value, (triggered.mean(0) - clean.mean(0)) / spread)


def test_neither_a_dead_channel_nor_one_moved_down_is_switched_on(activations):
    clean, triggered = activations
    clean, triggered = clean.copy(), triggered.copy()
    clean[:, 1] = 0.0
    triggered[:, 3] = clean[:, 3] - 1.0
    found = shift(clean, triggered, paired=True)
    assert np.isnan(found.value[1]) and found.value[3] < 0
    order = found.on(5)
    assert sorted(order) == [0, 2, 4] and found.on(2) == order[:2]
    assert list(found.value[order]) == sorted(found.value[order], reverse=True)


@pytest.mark.parametrize(("clean", "triggered", "paired"), [
    ((1, 3), (5, 3), False), ((5, 3), (5, 4), False), ((5, 3), (4, 3), True)])
def test_activations_that_do_not_fit_are_refused(clean, triggered, paired):
    with pytest.raises(ConfigError, match="Give at least two images on each side"):
        shift(np.zeros(clean), np.zeros(triggered), paired)
