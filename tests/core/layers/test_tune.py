"""The layer map on kept activations against runs of each layer from images."""

import copy
from dataclasses import replace

import pytest
import torch

from ngf_core.fisher.per_sample import tap
from ngf_core.fisher.rows import exact_rows
from ngf_core.layers.tune import layer_trace, stations_of, tune
from ngf_core.models.build import build_model, tunable_layer, tunable_layers
from ngf_core.purify import NGF, SGD
from ngf_core.purify.batches import CleanBatches
from ngf_core.purify.batchnorm import recalibrate_batchnorm
from ngf_core.purify.method import purifier
from ngf_core.purify.weights import only_trainable
from tests.support.tiny_models import Cliff, asked, clean_set, seeded_model, settings, tiny

POOL = {"augment": "strong", "pool": 2, "steps": 2, "batch_size": 8}
CLEAN = clean_set(24)


def residual() -> torch.nn.Module:
    """A mini network with shortcuts, and BatchNorm statistics that are not the first ones."""
    model = build_model("mini_preact_resnet", (3, 16, 16), 4)
    with torch.no_grad():
        model.train()(clean_set(8, (3, 16, 16)).x.float() / 255)
    return model.eval()


@pytest.mark.parametrize("changes", [POOL, {**POOL, "pool": 0}, {**POOL, "augment": "none"}],
                         ids=["pool", "anew", "none"])
@pytest.mark.parametrize("method", ["ngf", "sgd"])
@pytest.mark.parametrize("network", [tiny, residual])
def test_each_layer_ends_where_a_run_of_its_own_ends(network, method, changes, monkeypatch):
    size = 8 if network is tiny else 16
    clean, (own, config) = clean_set(24, (3, size, size)), asked(method, **changes)
    images = torch.rand(5, 3, size, size, generator=torch.Generator().manual_seed(1))
    mapped = {station.name: tune(station, own, config)
              for station in stations_of(network(), clean, config, {"some": images})}
    for module in ("ngf", "sgd"):  # the single runs go through the whole network
        monkeypatch.setattr(f"ngf_core.purify.methods.{module}.tuned_network",
                            lambda model, tuned, batches: (model, batches))
    names = list(tunable_layers(network()))
    assert list(mapped) == names
    for name in names if network is tiny else names[::5]:
        alone = network()
        steps = list(purifier(method)(alone, clean, replace(own, layer=name), config))
        assert mapped[name].passes == steps[-1].step == 2
        with torch.no_grad():
            expected = alone.eval()(images)
        moved = (expected - _recalibrated(network(), clean, config)(images)).abs().max().item()
        assert moved > 1e-3
        torch.testing.assert_close(mapped[name].logits["some"], expected, rtol=1e-3,
                                   atol=0.01 * moved)


def _recalibrated(model: torch.nn.Module, clean, config) -> torch.nn.Module:
    recalibrate_batchnorm(model.eval(), CleanBatches(clean, config, torch.device("cpu")))
    return model.requires_grad_(False)


def test_the_model_is_as_received_after_every_layer():
    model, config = tiny(), settings(**POOL | {"batchnorm": "frozen"})
    received = copy.deepcopy(model.state_dict())
    for station in stations_of(model, CLEAN, config, {}):
        tune(station, NGF(kl_bound=0.1, damping=0.5), config)
        assert all(torch.equal(t, received[name]) for name, t in model.state_dict().items())


def test_depth_runs_from_input_to_output():
    config = settings(**POOL)
    found = [(s.name, s.index, s.depth) for s in stations_of(tiny(), CLEAN, config, {})]
    assert found == [("conv1", 0, 0.0), ("conv2", 1, 0.5), ("linear", 2, 1.0)]


def test_a_method_that_stops_leaves_its_sentence():
    model = seeded_model(Cliff)
    config = settings(**POOL | {"steps": 30})
    stopped = [tune(s, SGD(lr=5.0), config).stopped for s in stations_of(model, CLEAN, config, {})]
    assert stopped[-1] is not None and "smaller learning rate" in stopped[-1]


def test_the_fisher_trace_is_that_of_all_labels():
    model, config = tiny(), settings(**POOL | {"batchnorm": "frozen"})
    for station in stations_of(model, CLEAN, config, {}):
        only_trainable(model, list(tunable_layer(model, station.name).parameters()))
        x = CLEAN.x.float() / 255
        exact = exact_rows(tap(model, tunable_layer(model, station.name), x)).square().sum().item()
        drawn = torch.tensor([layer_trace(station, seed) for seed in range(60)])
        error = drawn.std() / 60**0.5
        assert 0 < error < 0.1 * exact and abs(drawn.mean() - exact) < 4 * error
