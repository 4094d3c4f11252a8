"""Models and batches of other forms than logits and pairs have the curvature of the plain ones."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ngf_core.curvature import FisherOperator, GGNOperator, HessianOperator, layer_parameters
from ngf_core.curvature.sharpness.subject import Subject
from ngf_core.errors import ConfigError

X, Y = torch.rand(12, 5, generator=torch.Generator().manual_seed(0)), torch.arange(12) % 3


class Net(nn.Module):
    """Two layers, and an answer of any form."""

    def __init__(self, answer=lambda z: z):
        super().__init__()
        self.first, self.last, self.answer = nn.Linear(5, 4), nn.Linear(4, 3), answer

    def forward(self, x):
        return self.answer(self.last(self.first(x).tanh()))


def net(*answer):
    torch.manual_seed(0)
    return Net(*answer)


def refuse(*_):
    raise AssertionError("compiled")


@pytest.mark.parametrize("operator", [HessianOperator, GGNOperator, FisherOperator])
@pytest.mark.parametrize("answer", [lambda z: {"logits": z, "loss": None}, lambda z: (z, z[:, 0]),
                                    lambda z: SimpleNamespace(logits=z)])
def test_logits_are_found_where_they_are_unambiguous(operator, answer):
    found, wanted = operator(net(answer), (X, Y)), operator(net(), (X, Y))
    assert torch.equal(found.dense(), wanted.dense())


@pytest.mark.parametrize("data", [
    {"pixel_values": X, "labels": Y}, [{"x": X[:5], "y": Y[:5]}, {"x": X[5:], "y": Y[5:]}],
    [(X, Y, [f"{i}.png" for i in range(12)])], [(X, {"box": 3}, Y)]])
def test_inputs_and_labels_are_found_where_they_are_unambiguous(data):
    found, wanted = HessianOperator(net(), data), HessianOperator(net(), (X, Y))
    assert found.samples == 12 and torch.allclose(found.dense(), wanted.dense(), atol=1e-6)


@pytest.mark.parametrize("data", [[(X, Y, Y)], [{"x": X, "z": X, "y": Y}]])
def test_batches_that_are_ambiguous_are_named(data):
    with pytest.raises(ConfigError, match="a batch is neither a pair nor one in which inputs and"):
        HessianOperator(net(), data)


def compiled_part():
    model = net()
    model.last = torch.compile(model.last, backend=refuse)
    return model


@pytest.mark.parametrize("make", [lambda: torch.compile(net(), backend=refuse), compiled_part])
def test_a_compiled_model_has_the_curvature_of_what_was_compiled(make):
    model = make()
    parameters = layer_parameters(model, "first")
    found = HessianOperator(model, (X, Y), parameters=parameters)
    wanted = HessianOperator(net(), (X, Y), parameters=["first.weight", "first.bias"])
    assert list(found.shapes) == list(wanted.shapes)
    assert torch.equal(found.dense(), wanted.dense())


@pytest.mark.parametrize("make", [lambda: torch.compile(net(), backend=refuse),
                                  lambda: net(lambda z: {"logits": z})])
def test_sharpness_takes_them_too(make):
    found, wanted = Subject(make(), {"x": X, "y": Y}), Subject(net(), (X, Y))
    v = torch.ones(found.size)
    assert torch.equal(found.base_losses, wanted.base_losses)
    assert torch.equal(found.matvec(v), wanted.matvec(v))
