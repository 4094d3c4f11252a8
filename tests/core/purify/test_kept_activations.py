"""Tuning on kept activations: the same steps, without what lies before the tuned layers."""

import copy
from functools import lru_cache

import pytest
import torch
from torch import nn

from ngf_core.models.build import build_model, tunable_layer, tunable_layers
from ngf_core.purify import kept_activations as features
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.kept_activations import KeptBatches, tuned_network
from ngf_core.purify.method import purifier
from ngf_core.purify.weights import only_trainable
from tests.support.tiny_models import asked, clean_set, settings, tiny

METHODS = pytest.mark.parametrize("name", ["ngf", "sgd"])
FIXED = {"augment": "none", "steps": 5, "batch_size": 10}
POOL = {"augment": "strong", "pool": 2, "steps": 4, "batch_size": 10}
# Every family of architecture.
ARCHS = ("mini_preact_resnet", "mini_resnet", "mini_vgg", "mini_mobilenet", "mini_vit")


class Untold(nn.Module):
    """A network whose way depends on its input's values, so that no graph tells it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > -1e30:
            return self.network(x)
        return -self.network(x)


def passes(name: str, **changes: object) -> int:
    """How often the first convolution runs."""
    model, runs = tiny(), []
    model.conv1.register_forward_hook(lambda *_: runs.append(1))
    own, config = asked(name, **FIXED | {"batchnorm": "frozen"} | changes)
    list(purifier(name)(model, clean_set(24), own, config))
    return len(runs)


@METHODS
@pytest.mark.parametrize("layer", ["conv2", "linear"])
@pytest.mark.parametrize("changes", [{}, {"augment": "crop", "pool": 3}], ids=str)
def test_what_lies_before_the_layer_does_not_run_at_every_step(name, layer, changes):
    few = passes(name, layer=layer, **changes)
    assert few < 8 and few == passes(name, layer=layer, steps=50, **changes)


@METHODS
@pytest.mark.parametrize("changes", [{"augment": "crop"}, {"layer": "conv1"}], ids=str)
def test_where_a_step_changes_the_features_it_runs_every_time(name, changes):
    assert passes(name, **changes) >= 5


@METHODS
@pytest.mark.parametrize("changes", [FIXED, POOL], ids=["none", "pool"])
@pytest.mark.parametrize("layer", ["conv1", "conv2", "linear"])
@pytest.mark.parametrize("batchnorm", ["frozen", "recalibrated"])
def test_the_numbers_are_those_of_whole_passes(name, changes, layer, batchnorm, monkeypatch):
    own, config = asked(name, **changes | {"batchnorm": batchnorm, "layer": layer})
    kept, whole = tiny(), tiny()
    fast = [step.loss for step in purifier(name)(kept, clean_set(24), own, config)]
    for module in ("ngf", "sgd"):
        monkeypatch.setattr(f"ngf_core.purify.methods.{module}.tuned_network",
                            lambda model, tuned, batches: (model, batches))
    slow = [step.loss for step in purifier(name)(whole, clean_set(24), own, config)]
    assert fast == pytest.approx(slow, rel=1e-5)
    tuned, expected = (tunable_layer(m, layer).weight for m in (kept, whole))
    assert torch.allclose(tuned, expected, rtol=1e-4, atol=1e-6)
    assert not torch.equal(tuned, tunable_layer(tiny(), layer).weight)


@lru_cache
def network(arch: str) -> nn.Module:
    """With BatchNorm statistics that are not the first ones."""
    model = build_model(arch, (3, 32, 32), 4).train()
    with torch.no_grad():
        model(clean_set(8, (3, 32, 32)).x.float() / 255)
    return model.eval()


@pytest.mark.parametrize("arch", ARCHS)
def test_in_every_family_any_layer_sees_what_it_sees_of_the_images(arch):
    model = copy.deepcopy(network(arch))
    names = list(tunable_layers(model))
    batches = CleanBatches(clean_set(6, (3, 32, 32)), settings(**POOL | {"batch_size": 3}),
                           torch.device("cpu"))
    for name in names[:: max(1, len(names) // 6)] + names[-1:]:
        layer = tunable_layer(model, name)
        only_trainable(model, list(layer.parameters()))
        rest, kept = tuned_network(model, [layer], batches)
        assert isinstance(kept, KeptBatches), name
        assert any(m is layer for m in rest.modules())
        (h, y), (x, expected) = kept(1), batches(1)
        assert torch.equal(y, expected)
        whole = model(x)
        assert torch.allclose(rest(h), whole, rtol=1e-4, atol=1e-4), name
        (h, y), (x, expected) = next(kept.whole()), next(batches.whole())
        assert torch.equal(y, expected)
        assert torch.allclose(rest(h), model(x), rtol=1e-4, atol=1e-4), name


def test_two_tensors_cross_beside_a_shortcut_and_several_layers_share_a_cut():
    model = network("mini_preact_resnet")
    batches = CleanBatches(clean_set(6, (3, 32, 32)), settings(**POOL), torch.device("cpu"))
    block = model.blocks[2]
    _, kept = tuned_network(model, [block.conv1], batches)
    assert len(kept.pool) == 2  # the active input, and the shortcut of it
    rest, kept = tuned_network(model, [model.linear, block.conv2], batches)
    assert {id(m) for m in (model.linear, block.conv2)} <= {id(m) for m in rest.modules()}
    assert not any(m is block.conv1 for m in rest.modules())


def test_a_network_that_no_graph_tells_runs_as_a_whole():
    model = Untold(tiny()).eval()
    batches = CleanBatches(clean_set(24), settings(**FIXED), torch.device("cpu"))
    model.network.requires_grad_(True)
    assert tuned_network(model, [model.network.linear], batches) == (model, batches)


def test_activations_that_are_too_many_are_not_kept(monkeypatch):
    model = tiny().eval()
    batches = CleanBatches(clean_set(24), settings(**FIXED), torch.device("cpu"))
    monkeypatch.setattr(features, "MEMORY", 24 * 45 * 4)
    assert tuned_network(model, [model.linear], batches)[1] is not batches
    monkeypatch.setattr(features, "MEMORY", 24 * 45 * 4 - 1)
    assert tuned_network(model, [model.linear], batches) == (model, batches)


def test_steps_draw_from_the_pool_alone():
    batches = CleanBatches(clean_set(24), settings(**POOL), torch.device("cpu"))
    pool = {image.numpy().tobytes() for image in batches.fixed}
    assert len(batches.fixed) == 48 and len(pool) == 48
    seen = [(image.numpy().tobytes(), int(y)) for step in range(12)
            for image, y in zip(*batches(step), strict=True)]
    assert {image for image, _ in seen} <= pool and len({image for image, _ in seen}) > 36
    label = {image.numpy().tobytes(): int(batches.clean.y[i % 24])
             for i, image in enumerate(batches.fixed)}
    assert all(label[image] == y for image, y in seen)
    other = CleanBatches(clean_set(24), settings(**POOL | {"seed": 1}), torch.device("cpu"))
    assert not torch.equal(other.fixed, batches.fixed)
