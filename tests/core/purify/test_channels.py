"""Which BatchNorm scales a convolution, and what is left of a channel that was cut."""

import pytest
import torch

from ngf_core.errors import ConfigError
from ngf_core.models.build import build_model
from ngf_core.purify.channels import convolutions, gain, silence
from tests.support.tiny_models import LinearModel, clean_set, seeded_model, tiny

SHAPE = (3, 16, 16)


def neighbours(arch: str) -> dict[str, tuple[str | None, str | None]]:
    model = build_model(arch, SHAPE, 4).eval()
    names = {module: name for name, module in model.named_modules()}
    return {c.name: (names.get(c.before), names.get(c.after))
            for c in convolutions(model, SHAPE, "it")}


def test_batchnorms_of_a_preactivation_network():
    assert neighbours("mini_preact_resnet") == {
        "stem": (None, "blocks.0.bn1"),
        "blocks.0.conv1": ("blocks.0.bn1", "blocks.0.bn2"),
        "blocks.0.conv2": ("blocks.0.bn2", None),
        "blocks.1.shortcut": ("blocks.1.bn1", None),
        "blocks.1.conv1": ("blocks.1.bn1", "blocks.1.bn2"),
        "blocks.1.conv2": ("blocks.1.bn2", None),
        "blocks.2.shortcut": ("blocks.2.bn1", None),
        "blocks.2.conv1": ("blocks.2.bn1", "blocks.2.bn2"),
        "blocks.2.conv2": ("blocks.2.bn2", None)}


def test_every_convolution_of_other_networks_has_its_batchnorm_behind_it():
    assert neighbours("mini_resnet")["layer2.0.downsample.0"] == (None, "layer2.0.downsample.1")
    assert neighbours("mini_resnet")["layer1.0.conv2"] == ("layer1.0.bn1", "layer1.0.bn2")
    for index, pair in {0: (None, "features.1"), 7: ("features.4", "features.8")}.items():
        assert neighbours("mini_vgg")[f"features.{index}"] == pair
    assert all(after for _, after in neighbours("mini_mobilenet").values())


@pytest.mark.parametrize("model", [build_model("mini_vit", SHAPE, 4),
                                   seeded_model(LinearModel, 768, 4).double()])
def test_networks_without_convolutions_to_cut_are_refused(model):
    with pytest.raises(ConfigError, match="CLP cuts channels of convolutions, and .* (none|1)"):
        convolutions(model.eval(), SHAPE, "CLP")


def test_the_gain_is_how_far_batchnorm_stretches():
    norm = tiny().bn2.eval()
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.0, -2, 0.5, 3, 0]))
        norm.running_var.copy_(torch.tensor([1.0, 4, 9, 0.25, 1]))
    x = torch.randn(1, 5, 2, 2)
    stretched = (norm(x + 1) - norm(x)).abs().mean((0, 2, 3))
    assert torch.allclose(gain(norm), stretched, atol=1e-5)


def test_a_silent_channel_is_zero_behind_its_batchnorm_and_no_other_is():
    model = tiny().eval()
    with torch.no_grad():
        model.bn1.bias.fill_(0.5)
    x = clean_set().x.float() / 255
    before = model.bn1(model.conv1(x))
    silence(convolutions(model, (3, 8, 8), "it")[0], torch.tensor([1, 3]))
    after = model.bn1(model.conv1(x))
    assert not after[:, [1, 3]].any() and torch.equal(after[:, [0, 2]], before[:, [0, 2]])
