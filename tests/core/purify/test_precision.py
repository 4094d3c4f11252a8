"""Models in half precision and models with broken weights, for every method."""

import copy
from importlib import import_module
from math import isfinite
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ngf_core.data.examples import Examples
from ngf_core.errors import ConfigError
from ngf_core.library import Purification, purify
from ngf_core.purify import SGD, Budget
from ngf_core.purify.method import purifier
from ngf_core.purify.precision import not_coarse
from ngf_core.purify.registry import LAYERED, PURIFIERS
from ngf_core.purify.step import Diverged, Step
from tests.support.planted_backdoor import coloured_set, planted
from tests.support.tiny_models import Cliff, asked, clean_set, seeded_model, tiny

METHODS = pytest.mark.parametrize("name", PURIFIERS)
COARSE = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
CLEAN = coloured_set()
BUDGET = Budget(steps=12, batch_size=24)


def own(name: str):
    return PURIFIERS[name].settings(**{"layer": "conv2"} if name in LAYERED else {})


@METHODS
@COARSE
def test_it_is_the_float32_result_rounded_once(name, dtype):
    model = planted().to(dtype)
    before = copy.deepcopy(model.state_dict())
    data = CLEAN.x.to(dtype) / 255, CLEAN.y
    purified = purify(model, data, own(name), BUDGET)
    wide = purify(copy.deepcopy(model).float(), (data[0].float(), data[1]), own(name), BUDGET)
    for key, value in purified.state_dict().items():
        assert torch.equal(value, wide.state_dict()[key].to(value.dtype)), key
        assert value.dtype == before[key].dtype
        assert torch.equal(model.state_dict()[key], before[key]), "the given model changed"
    assert torch.isfinite(purified.eval()(data[0])).all()


@METHODS
@COARSE
def test_the_methods_themselves_compute_in_float32_and_return_the_models_dtype(name, dtype):
    settings, budget = asked(name, steps=12)
    ours, wide = tiny().to(dtype), tiny().to(dtype).float()
    dtypes = set()
    for step in purifier(name)(ours, clean_set(), settings, budget):
        dtypes.add(next(ours.parameters()).dtype)
        assert isfinite(step.loss)
    for _ in purifier(name)(wide, clean_set(), settings, budget):
        pass
    assert dtypes == {torch.float32}
    for key, value in ours.state_dict().items():
        assert torch.equal(value, wide.state_dict()[key].to(value.dtype)), key
    assert ours.conv1.weight.dtype == dtype and ours.bn1.num_batches_tracked.dtype == torch.int64


@METHODS
def test_weights_that_are_not_finite_are_named_before_anything_runs(name):
    settings, budget = asked(name)
    for tensor in ("conv2.weight", "bn1.running_var", "linear.bias"):
        for value in (float("nan"), float("inf")):
            model = tiny()
            model.state_dict()[tensor].view(-1)[0] = value
            message = f"model: the tensor {tensor} holds numbers that are not finite. Give a model"
            with pytest.raises(ConfigError, match=message):
                purify(model, clean_set(), settings, budget)
            with pytest.raises(ConfigError, match=message):
                next(purifier(name)(model, clean_set(), settings, budget))


@pytest.mark.parametrize("kind", ["purify", "layers"])
def test_a_run_on_broken_weights_is_refused_before_anything_is_computed(kind, monkeypatch):
    execute = import_module(f"ngf_core.execute.{kind}")
    model = tiny()
    model.conv1.weight.data[0] = float("nan")
    source = SimpleNamespace(models={"before": model})
    monkeypatch.setattr(execute, "load_trained", lambda *_: source)
    with pytest.raises(ConfigError, match="the tensor conv1.weight holds numbers that are not"):
        execute.execute(SimpleNamespace(source="any"), None, None)


def test_an_infinite_mask_among_the_buffers_is_no_broken_weight():
    model = planted()
    model.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
    purify(model, CLEAN, SGD(layer="conv2"), Budget(steps=2))


def test_tensors_of_several_dtypes_each_keep_their_own():
    model = planted().half()
    model.bn1.float()
    with not_coarse(model):
        assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert model.bn1.weight.dtype == torch.float32 and model.conv1.weight.dtype == torch.float16


@COARSE
def test_the_dtype_is_back_after_a_break_and_after_an_error(dtype):
    work = Purification(planted().to(dtype), CLEAN, SGD(layer="conv2"), Budget(steps=5))
    for step in work:
        assert isinstance(step, Step) and work.model.conv2.weight.dtype == torch.float32
        break
    assert work.model.conv2.weight.dtype == dtype
    work = Purification(seeded_model(Cliff).to(dtype), clean_set(), SGD(layer="linear", lr=1.0),
                        Budget(steps=20, batch_size=16))
    with pytest.raises(Diverged):
        list(work)
    assert {p.dtype for p in work.model.parameters()} == {dtype}
    assert all(p.grad is None for p in work.model.parameters())


def test_half_inputs_of_a_float32_model_are_widened():
    x = CLEAN.x.half() / 255
    model, other = planted(), planted()
    settings, budget = SGD(layer="conv2"), Budget(steps=3, augment="none")
    for net, data in ((model, x), (other, x.float())):
        for _ in purifier("sgd")(net, Examples(data, CLEAN.y), settings, budget):
            pass
    assert torch.equal(model.conv2.weight, other.conv2.weight)


def test_float64_stays_float64():
    model = nn.Sequential(nn.Flatten(), nn.Linear(CLEAN.x[0].numel(), 4)).double()
    work = Purification(model, CLEAN, SGD(layer="1"), Budget(steps=2))
    for _ in work:
        assert work.model[1].weight.dtype == torch.float64
