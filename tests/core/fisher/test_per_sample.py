"""Per-sample gradients against a loop of autograd in float64."""

import pytest
import torch
from torch import nn

from ngf_core.errors import ConfigError
from ngf_core.fisher.per_sample import tap
from tests.support.dense_fisher import looped_gradients, tiny


def net(layer: nn.Module, after: nn.Module) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        for module in (layer, after):
            for p in module.parameters():
                nn.init.normal_(p, std=0.5)
    return nn.Sequential(layer, nn.Tanh(), nn.Flatten(), after).double().eval()


def images(channels: int = 2, height: int = 7, width: int = 6) -> torch.Tensor:
    return torch.randn(4, channels, height, width, dtype=torch.float64,
                       generator=torch.Generator().manual_seed(1))


LABELS = torch.tensor([0, 2, 1, 1])


def agree(model: nn.Module, layer: nn.Module, x: torch.Tensor) -> None:
    tapped = tap(model, layer, x)
    losses = nn.functional.cross_entropy(tapped.logits, LABELS, reduction="none")
    found = tapped.gradients(losses)
    expected = looped_gradients(model, layer, x, LABELS)
    assert found.shape == expected.shape and expected.abs().max() > 1e-3
    assert torch.allclose(found, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("bias", [True, False])
def test_linear(bias):
    layer = nn.Linear(5, 4, bias=bias)
    agree(net(layer, nn.Linear(4, 3)), layer, images()[:, 0, 0, :5])


@pytest.mark.parametrize("bias", [True, False])
def test_linear_on_tokens(bias):
    layer = nn.Linear(6, 4, bias=bias)
    agree(net(layer, nn.Linear(2 * 7 * 4, 3)), layer, images())  # tokens in two dimensions
    agree(net(layer, nn.Linear(7 * 4, 3)), layer, images()[:, 0])


@pytest.mark.parametrize("options", [
    {}, {"bias": False}, {"padding": 1}, {"stride": 2}, {"dilation": 2},
    {"stride": (2, 1), "padding": (0, 2), "dilation": (1, 2), "bias": False}], ids=str)
@pytest.mark.parametrize("kernel", [1, 3, (2, 3)])
def test_convolution(kernel, options):
    layer = nn.Conv2d(2, 3, kernel, **options)
    features = layer(images().float()).flatten(1).shape[1]
    agree(net(layer, nn.Linear(features, 3)), layer, images())


@pytest.mark.parametrize("options", [
    {"groups": 2}, {"groups": 4, "bias": False},
    {"groups": 2, "stride": 2, "padding": 1, "dilation": (1, 2)}], ids=str)
def test_grouped_and_depthwise_convolution(options):
    layer = nn.Conv2d(4, 8, (3, 2), **options)
    x = images(4)
    features = layer(x.float()).flatten(1).shape[1]
    agree(net(layer, nn.Linear(features, 3)), layer, x)


def test_a_layer_inside_a_network_with_batchnorm():
    model, x, _ = tiny(4)
    for layer in (model.conv, model.linear):
        agree(model, layer, x)


def test_the_logits_are_the_models_own():
    model, x, _ = tiny(4)
    tapped = tap(model, model.conv, x)
    assert torch.equal(tapped.logits, model(x))
    assert not model.conv._forward_hooks


def test_batchnorm_in_training_mode_is_refused():
    model, x, _ = tiny()
    model.bn.train()
    with pytest.raises(ConfigError, match="BatchNorm is in training mode.*Call model.eval"):
        tap(model, model.conv, x)


def test_a_layer_without_gradients_is_refused():
    model, x, _ = tiny()
    model.conv.requires_grad_(False)
    with pytest.raises(ConfigError, match="Call layer.requires_grad_"):
        tap(model, model.conv, x)


@pytest.mark.parametrize("after", [nn.ReLU(inplace=True), nn.Hardtanh(inplace=True)], ids=str)
def test_an_output_that_is_overwritten_is_refused(after):
    layer = nn.Linear(5, 4)
    with pytest.raises(ConfigError, match="overwrites its input or output.*inplace=False"):
        tap(nn.Sequential(layer, after), layer, torch.randn(2, 5))


class Overwriting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x * 2
        z = self.linear(x.detach())
        return z + x.detach().add_(1)


def test_an_input_that_is_overwritten_is_refused():
    model = Overwriting()
    with pytest.raises(ConfigError, match="overwrites its input or output"):
        tap(model, model.linear, torch.randn(2, 3))
