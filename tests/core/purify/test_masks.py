"""Masked and perturbed channels against the same change made in the weights themselves."""

import copy

import pytest
import torch

from ngf_core.errors import ConfigError
from ngf_core.models.build import build_model
from ngf_core.purify.masks import channels_of
from tests.support.planted_backdoor import planted
from tests.support.tiny_models import LinearModel, clean_set, seeded_model


def models() -> dict:
    return {"planted": planted(), "vit": build_model("mini_vit", (3, 8, 8), 4).eval()}


@pytest.mark.parametrize("name", models())
def test_factors_act_as_if_they_stood_in_the_weights(name):
    model = models()[name]
    for p in model.parameters():
        p.data += 0.01
    channels = channels_of(model, "it")
    x = clean_set().x.float() / 255
    generator = torch.Generator().manual_seed(1)
    weights, biases = torch.rand(2, len(channels), generator=generator)
    changed = copy.deepcopy(model)
    with torch.no_grad():
        for key, w, b in zip(channels.layers, weights.split(channels.sizes),
                             biases.split(channels.sizes), strict=True):
            layer = changed.get_submodule(key)
            layer.weight.mul_(w.view(-1, *[1] * (layer.weight.ndim - 1)))
            layer.bias.mul_(b)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert torch.allclose(channels.outputs(x, weights, biases), changed(x), atol=1e-5)
    assert torch.equal(channels.outputs(x, channels.ones()), model(x))
    assert not torch.allclose(channels.outputs(x, weights), changed(x), atol=1e-3)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_the_layers_are_batchnorms_or_where_there_are_none_all_but_the_last():
    assert list(channels_of(planted(), "it").layers) == ["bn1", "bn2"]
    vit = list(channels_of(models()["vit"], "it").layers)
    assert vit[:3] == ["patches", "blocks.0.qkv", "blocks.0.out"] and "linear" not in vit


def test_cutting_zeroes_the_weights_of_the_numbered_channels_alone():
    model, received = planted(), planted()
    channels = channels_of(model, "it")
    chosen = torch.tensor([20, 3])
    assert channels.named(chosen) == {"bn1": [3], "bn2": [8]}
    channels.cut(chosen)
    assert not model.bn1.weight[3] and not model.bn2.weight[8]
    model.bn1.weight.data[3] = received.bn1.weight[3]
    model.bn2.weight.data[8] = received.bn2.weight[8]
    for key, value in received.state_dict().items():
        assert torch.equal(model.state_dict()[key], value)


def test_a_single_layer_is_refused():
    with pytest.raises(ConfigError, match="ANP masks channels .* a single layer. Use finetune"):
        channels_of(seeded_model(LinearModel, 192, 4), "ANP")
