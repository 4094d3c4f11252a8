"""Tuning the last layer on its kept inputs: the same steps, without the rest of the network."""

import copy

import pytest
import torch
from torch import nn

from ngf_core.models.build import tunable_layer
from ngf_core.purify.features import tuned_network
from ngf_core.purify.purifier import CleanBatches, only_trainable, purifier
from tests.core.purify.stand_ins import clean_set, settings, tiny

METHODS = pytest.mark.parametrize("name", ["ngf", "sgd"])
LAST = {"layer": "linear", "augment": "none", "steps": 5, "batch_size": 10}


class Counted(nn.Module):
    """A network that counts its forward passes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.passes = network, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        return self.network(x)


def passes(name: str, **changes: object) -> int:
    model = Counted(tiny())
    layer = changes.pop("layer", "linear")
    config = settings(**LAST | changes | {"layer": f"network.{layer}", "batchnorm": "frozen"})
    list(purifier(name)(model, clean_set(24), config))
    return model.passes


@METHODS
def test_the_rest_of_the_network_runs_once_over_the_clean_set(name):
    extra = 3 if name == "ngf" else 0  # for the diagonal of the regulariser
    assert passes(name) == 3 + extra  # three batches of ten hold 24 images


@METHODS
@pytest.mark.parametrize("changes", [{"augment": "crop"}, {"layer": "conv2"}], ids=str)
def test_where_a_step_changes_the_features_it_runs_every_time(name, changes):
    assert passes(name, **changes) >= 5


@METHODS
@pytest.mark.parametrize("batchnorm", ["frozen", "recalibrated"])
def test_the_numbers_are_those_of_whole_passes(name, batchnorm, monkeypatch):
    config = settings(**LAST | {"batchnorm": batchnorm})
    kept, whole = tiny(), tiny()
    fast = [step.loss for step in purifier(name)(kept, clean_set(24), config)]
    for module in ("ngf", "sgd"):
        monkeypatch.setattr(f"ngf_core.purify.{module}.tuned_network",
                            lambda model, layer, batches: (model, batches))
    slow = [step.loss for step in purifier(name)(whole, clean_set(24), config)]
    assert fast == pytest.approx(slow, rel=1e-5)
    assert torch.allclose(kept.linear.weight, whole.linear.weight, rtol=1e-4, atol=1e-6)
    assert not torch.equal(kept.linear.weight, tiny().linear.weight)


def test_the_features_are_what_the_layer_sees_of_the_images_drawn():
    model, config = tiny().eval(), settings(**LAST)
    layer = tunable_layer(model, "linear")
    only_trainable(model, list(layer.parameters()))
    batches = CleanBatches(clean_set(24), config, torch.device("cpu"))
    network, features = tuned_network(model, layer, batches)
    assert network is layer
    for step in range(3):
        (h, y), (x, expected) = features(step), batches(step)
        assert torch.equal(y, expected)
        assert torch.allclose(layer(h), copy.deepcopy(model)(x), rtol=1e-5, atol=1e-6)
