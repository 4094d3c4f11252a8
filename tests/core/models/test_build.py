"""Architectures: sizes known from the papers, shapes, seeds, names."""

import pytest
import torch
from torch import nn

from ngf_core.errors import ConfigError
from ngf_core.models import ARCHITECTURES
from ngf_core.models.build import (
    build_model,
    default_layer,
    tunable_layer,
    tunable_layer_names,
    tunable_layers,
)
from ngf_core.models.normalise import Normalise


def size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_parameter_counts():
    with torch.device("meta"):
        paper = build_model("preact_resnet18", (3, 32, 32), 10)
    assert size(paper) == 11_172_170
    assert size(build_model("mini_preact_resnet", (3, 32, 32), 10)) == 77_850


def test_the_minis_parameters_summed_by_hand():
    # stem 3>16; blocks 16>16, 16>32, 32>64, the last two with a 1x1 shortcut; BatchNorms; linear
    stem = 3 * 16 * 9
    blocks = sum(9 * a * b + 9 * b * b + (a * b if a != b else 0) + 2 * a + 2 * b
                 for a, b in ((16, 16), (16, 32), (32, 64)))
    assert size(build_model("mini_preact_resnet", (3, 32, 32), 10)) == (
        stem + blocks + 2 * 64 + 64 * 10 + 10)


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 28, 28), (1, 32, 32), (3, 32, 32)])
def test_logits_and_gradients_for_every_kind_of_image(arch, shape):
    model = build_model(arch, shape, 7)
    x = torch.randint(0, 256, (2, *shape), dtype=torch.uint8)
    logits = model(x)
    assert logits.shape == (2, 7) and torch.isfinite(logits).all()
    logits.square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    assert all(layer.weight.grad.abs().sum() > 0 for layer in tunable_layers(model).values())


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_levels_are_fractions_of_255(arch):
    model = build_model(arch, (3, 32, 32), 10).eval()
    x = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    assert torch.equal(model(x), model(x.float() / 255))


def test_normalising_by_hand():
    x = torch.tensor([0.0, 0.5, 1.0])
    assert Normalise()(x).tolist() == [-2, 0, 2]
    assert Normalise()(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-2, 2]


def test_weights_come_from_the_seed_and_nothing_else_changes():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one = build_model("mini_preact_resnet", (3, 32, 32), 10, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    same, other = (build_model("mini_preact_resnet", (3, 32, 32), 10, seed=s) for s in (1, 2))
    assert torch.equal(one.stem.weight, same.stem.weight)
    assert torch.equal(one.linear.bias, same.linear.bias)
    assert not torch.equal(one.stem.weight, other.stem.weight)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_convolution_and_linear_layer_can_be_tuned(arch):
    model = build_model(arch, (3, 32, 32), 10)
    layers = tunable_layers(model)
    weights = {n.removesuffix(".weight") for n, p in model.named_parameters() if p.ndim > 1}
    assert set(layers) == weights
    assert tuple(layers) == tunable_layer_names(arch)
    assert all(isinstance(layer, nn.Conv2d | nn.Linear) for layer in layers.values())
    assert layers[default_layer(arch)] is tunable_layer(model, default_layer(arch))


def test_the_minis_layers_by_name():
    assert tunable_layer_names("mini_preact_resnet") == (
        "stem", "blocks.0.conv1", "blocks.0.conv2", "blocks.1.conv1", "blocks.1.conv2",
        "blocks.1.shortcut", "blocks.2.conv1", "blocks.2.conv2", "blocks.2.shortcut", "linear")
    assert default_layer("mini_preact_resnet") == "blocks.2.conv1"


def test_a_pre_activation_block_by_hand():
    model = build_model("mini_preact_resnet", (3, 32, 32), 10).eval()
    x = torch.randn(2, 16, 8, 8)
    block = model.blocks[1]
    for norm in (block.bn1, block.bn2):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)

    def normed(norm: nn.BatchNorm2d, z: torch.Tensor) -> torch.Tensor:
        shape = (1, -1, 1, 1)
        z = (z - norm.running_mean.view(shape)) / (norm.running_var.view(shape) + norm.eps).sqrt()
        return (z * norm.weight.view(shape) + norm.bias.view(shape)).clamp(min=0)

    conv = nn.functional.conv2d
    active = normed(block.bn1, x)
    inner = normed(block.bn2, conv(active, block.conv1.weight, stride=2, padding=1))
    expected = conv(inner, block.conv2.weight, padding=1)
    expected = expected + conv(active, block.shortcut.weight, stride=2)
    assert torch.allclose(block(x), expected, atol=1e-5)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(ConfigError, match="'vgg' is unknown. Choose one of mini_preact_resnet"):
        build_model("vgg", (3, 32, 32), 10)
    model = build_model("mini_preact_resnet", (3, 32, 32), 10)
    for name in ("nose", "blocks.0", "bn"):
        with pytest.raises(ConfigError, match=f"no layer '{name}'. Choose one of stem, blocks.0"):
            tunable_layer(model, name)
