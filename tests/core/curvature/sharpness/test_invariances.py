"""What each measure is fooled by, and by what it must not be."""

import copy

import pytest
import torch
from torch import nn

from ngf_core.curvature.sharpness import SHARPNESS, Subject
from ngf_core.curvature.sharpness.measure import measure_sharpness
from tests.support.small_networks import case

SCALED = ("adaptive_lambda_max", "fisher_rao", "adaptive_sam", "adaptive_sam_steps",
          "relative_flatness")


def rescaled(net: nn.Sequential, factor: float) -> nn.Sequential:
    """The same function with the first convolution larger and the BatchNorm behind it told so."""
    net = copy.deepcopy(net)
    net[0].weight.data *= factor
    net[0].bias.data *= factor
    net[1].running_mean *= factor
    net[1].running_var *= factor**2
    net[1].eps *= factor**2
    return net


@pytest.fixture(scope="module")
def tiny() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    net, x, y = case("conv_bn")
    return net.double().eval(), x.double(), y


def read(net, x, y) -> dict[str, float]:
    subject = Subject(net, (x, y), dtype=torch.float64)
    return {name: r.value for name, r in measure_sharpness(subject, "all").items()}


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_rescaling_a_convolution_and_its_batchnorm(tiny, factor):
    net, x, y = tiny
    other = rescaled(net, factor)
    assert torch.allclose(net(x), other(x), rtol=1e-12)
    before, after = read(net, x, y), read(other, x, y)
    for name in SCALED:
        assert after[name] == pytest.approx(before[name], rel=1e-3), name
    if factor < 1:
        for name in ("lambda_max", "trace", "sam", "sam_steps"):
            assert abs(after[name] / before[name] - 1) > 0.1, name


def test_scaling_the_logits_moves_every_measure(tiny):
    net, x, y = tiny
    other = copy.deepcopy(net)
    other[5].weight.data *= 2
    other[5].bias.data *= 2
    assert torch.equal(net(x).argmax(1), other(x).argmax(1))
    before, after = read(net, x, y), read(other, x, y)
    for name in SHARPNESS:
        assert abs(after[name] / before[name] - 1) > 0.02, name
