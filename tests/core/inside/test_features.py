"""Features, channels and answers against a forward pass written out by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from ngf_core.errors import ConfigError
from ngf_core.inside.features import last_convolution, layers_run, see
from ngf_core.models.build import build_model
from tests.support.tiny_models import clean_set, tiny


def by_hand(model, x):
    """The inner values of a `Tiny` in eval mode: second convolution, features, logits."""
    model.eval()
    with torch.no_grad():
        inner = torch.relu(model.bn1(model.conv1(x.float() / 255)))
        conv2 = model.conv2(inner)
        features = torch.relu(model.bn2(conv2)).flatten(1)
        return conv2, features, model.linear(features)


def test_what_is_seen_is_what_a_forward_pass_computes():
    x, model = clean_set(300).x, tiny()
    seen = see(model, x)
    assert model.training, "the mode is restored"
    conv2, features, logits = by_hand(model, x)
    assert np.array_equal(seen.answers, logits.argmax(1).numpy())
    assert np.allclose(seen.features, features.numpy(), atol=1e-6)
    assert np.allclose(seen.channels, conv2.mean((2, 3)).numpy(), atol=1e-6)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_another_layer_can_be_read():
    x, model = clean_set(30).x, tiny()
    model.eval()
    with torch.no_grad():
        conv1 = model.conv1(x.float() / 255).mean((2, 3))
    assert np.allclose(see(model, x, "conv1").channels, conv1.numpy(), atol=1e-6)
    assert see(model, x, "linear").channels.shape == (30, 4)
    with pytest.raises(ConfigError, match="no layer 'conv9'. Choose one of conv1, conv2, linear"):
        see(model, x, "conv9")


@pytest.mark.parametrize("arch", ["mini_preact_resnet", "mini_resnet", "mini_vgg",
                                  "mini_mobilenet", "mini_vit"])
def test_networks_of_the_lab_are_read(arch):
    x = clean_set(4, (3, 32, 32)).x
    seen = see(build_model(arch, (3, 32, 32), 10), x)
    assert seen.features.ndim == seen.channels.ndim == 2 and len(seen.features) == 4


def test_the_last_convolution_is_the_one_that_runs_last():
    model = build_model("mini_preact_resnet", (3, 32, 32), 10)
    order = layers_run(model, clean_set(2, (3, 32, 32)).x)
    named_last = [name for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d)][-1]
    assert named_last == "blocks.2.shortcut" and last_convolution(model, order) == "blocks.2.conv2"
    vit = build_model("mini_vit", (3, 32, 32), 10)
    order = layers_run(vit, clean_set(2, (3, 32, 32)).x)
    assert last_convolution(vit, order) == order[-2]


class Tokens(nn.Module):
    """A linear layer on (n, positions, c) ends it."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(8, 4)

    def forward(self, x):
        return self.last(x[:, 0]).mean(1)


@pytest.mark.parametrize(("model", "what"), [
    (nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten()), "its last layer is not a linear one"),
    (nn.Sequential(nn.Flatten(), nn.ReLU(), nn.BatchNorm1d(192)), "its last layer is not a linear"),
    (Tokens(), r"its last linear layer is given \(24, 8, 8\)")])
def test_a_network_without_features_is_refused_in_words(model, what):
    with pytest.raises(ConfigError, match=what):
        see(model, clean_set().x)


def test_no_images_are_refused():
    with pytest.raises(ConfigError, match="images"):
        see(tiny(), clean_set().x[:0])
