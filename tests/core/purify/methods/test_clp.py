"""CLP on channels whose Lipschitz bound is known, and on a planted one."""

import pytest
import torch
from torch import nn

from ngf_core.errors import ConfigError
from ngf_core.models.build import build_model
from ngf_core.purify.channels import convolutions
from ngf_core.purify.methods.clp import clp, lipschitz_bounds, outlying
from tests.support.tiny_models import LinearModel, asked, clean_set, seeded_model, tiny

SHAPE = (3, 8, 8)


def shaken(arch: str) -> nn.Module:
    """A network whose BatchNorms are not all alike."""
    model = build_model(arch, SHAPE, 4).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for m in model.modules():
            if isinstance(m, nn.BatchNorm2d):
                for values in (m.weight, m.running_var):
                    values.copy_(0.5 + torch.rand(values.shape, generator=generator))
                m.weight.mul_(torch.randn(m.weight.shape, generator=generator).sign())
    return model


@pytest.mark.parametrize(("name", "before", "after"), [
    ("stem", None, "blocks.0.bn1"), ("blocks.0.conv1", None, "blocks.0.bn2"),
    ("blocks.0.conv2", "blocks.0.bn2", None), ("blocks.1.shortcut", "blocks.1.bn1", None)])
def test_the_bound_of_each_channel_of_a_preactivation_network(name, before, after):
    model = shaken("mini_preact_resnet")
    conv = next(c for c in convolutions(model, SHAPE, "CLP") if c.name == name)
    found = lipschitz_bounds(conv)
    for k, filters in enumerate(conv.layer.weight.detach().double()):
        matrix = filters.clone()
        if after:
            norm = model.get_submodule(after)
            matrix *= norm.weight[k].item() / (norm.running_var[k].item() + norm.eps) ** 0.5
        for c in range(len(matrix)) if before else ():
            norm = model.get_submodule(before)
            matrix[c] *= norm.weight[c].item() / (norm.running_var[c].item() + norm.eps) ** 0.5
        top = torch.linalg.eigvalsh(matrix.flatten(1) @ matrix.flatten(1).T).max().sqrt()
        assert found[k].item() == pytest.approx(top.item(), rel=1e-5)


def test_grouped_convolutions_take_the_gains_of_their_own_inputs():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(),
                          nn.Conv2d(4, 6, 1, groups=2, bias=False)).eval()
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([1.0, 2, 3, 4]))
        model[3].weight.fill_(1)
    bounds = lipschitz_bounds(convolutions(model, SHAPE, "CLP")[1])
    stretch = (1 + model[1].eps) ** -0.5
    expected = torch.tensor([5.0] * 3 + [25.0] * 3).sqrt() * stretch
    assert torch.allclose(bounds, expected)


def test_outlying_is_above_mean_plus_u_deviations():
    values = torch.tensor([1.0] * 15 + [17.0])  # mean 2, deviation sqrt(15)
    assert outlying(values, 3.8).tolist() == [15]
    assert outlying(values, 3.9).tolist() == []


@pytest.mark.parametrize(("arch", "layer"), [
    ("mini_preact_resnet", "blocks.1.conv1"), ("mini_preact_resnet", "blocks.2.conv2"),
    ("mini_vgg", "features.7"), ("mini_mobilenet", "features.3.conv.0.0")])
def test_a_planted_channel_is_found_and_cut(arch, layer):
    model = build_model(arch, SHAPE, 4).eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.no_grad():
        model.get_submodule(layer).weight[7] *= 8
    (step,) = clp(model, clean_set(), *asked("clp"))
    assert step.step == 1 and step.found["cut"][layer] == [7]
    assert not model.get_submodule(layer).weight[7].any()
    assert sum(map(len, step.found["cut"].values())) < 8
    others = torch.arange(len(before[f"{layer}.weight"])) != 7
    assert torch.equal(model.get_submodule(layer).weight[others], before[f"{layer}.weight"][others])


def test_a_planted_gain_of_batchnorm_is_found_too():
    model = build_model("mini_vgg", SHAPE, 4).eval()
    with torch.no_grad():
        model.features[8].running_var[3] = 1e-3
    (step,) = clp(model, clean_set(), *asked("clp"))
    assert step.found["cut"]["features.7"] == [3]
    assert not model.features[8].weight[3].any() and not model.features[8].bias[3].any()


def test_u_is_a_parameter_and_no_image_decides():
    found = []
    for clean in (clean_set(), clean_set(5)):
        own, config = asked("clp", u=0.5)
        (step,) = clp(tiny(), clean, own, config)
        found.append(step.found)
    assert found[0] == found[1] and found[0]["cut"]
    (step,) = clp(tiny(), clean_set(), *asked("clp"))
    assert step.found == {"cut": {}}, "four channels are too few for three deviations"


def test_a_network_without_convolutions_is_refused():
    with pytest.raises(ConfigError, match="CLP cuts .* Use anp, which masks every layer"):
        list(clp(seeded_model(LinearModel, 192, 4).double(), clean_set(), *asked("clp")))
