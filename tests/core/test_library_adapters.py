"""Models that answer with more than logits, compiled models, and batches that are no pairs."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ngf_core.errors import ConfigError, NGFError
from ngf_core.library import Purification, purify
from ngf_core.purify import NAD, NGF, SGD, Budget, FineTuning
from ngf_core.purify.registry import LAYERED, PURIFIERS
from tests.support.planted_backdoor import coloured_set, planted

CLEAN = coloured_set()
DATA = CLEAN.x.float() / 255, CLEAN.y
BUDGET = Budget(steps=12, batch_size=24)
SHORT = SGD(layer="conv2"), Budget(steps=3, batch_size=24)


@dataclass
class Output:
    """As transformers' ModelOutput: fields beside the logits, which have a name."""

    logits: torch.Tensor
    loss: object = None


ANSWERS = {"object": Output, "mapping": lambda z: {"loss": None, "logits": z},
           "tuple": lambda z: (z, z.mean()), "tuple behind": lambda z: [z[:, :, None, None], z]}


def answering(answer) -> nn.Module:
    """The planted model with another answer."""
    model = planted()
    kind = type(model)

    class More(kind):
        def forward(self, x):
            return answer(super().forward(x))

    model.__class__ = More
    return model


def alike(ours: nn.Module, theirs: nn.Module) -> bool:
    expected = theirs.state_dict()
    return ours.state_dict().keys() == expected.keys() and all(
        torch.allclose(v, expected[k], atol=1e-5) for k, v in ours.state_dict().items())


@pytest.mark.parametrize("name", PURIFIERS)
def test_every_method_takes_a_model_that_answers_with_an_object(name):
    settings = PURIFIERS[name].settings(**{"layer": "conv2"} if name in LAYERED else {})
    model = answering(Output)
    ours, theirs = (purify(m, DATA, settings, BUDGET) for m in (model, planted()))
    assert alike(ours, theirs)
    assert isinstance(ours(torch.zeros(2, *CLEAN.shape)), Output), "the copy answers as the model"
    assert not model._forward_hooks and not ours._forward_hooks


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_logits_are_found_where_they_are_unambiguous(answer):
    ours, theirs = (purify(m, DATA, *SHORT) for m in (answering(answer), planted()))
    assert alike(ours, theirs) and not alike(ours, planted())


def test_the_layer_is_chosen_and_steps_are_left_with_such_a_model_too():
    work = Purification(answering(Output), DATA, NGF(layer="auto"), Budget(steps=4, batch_size=24))
    assert work.layer
    for _ in work:
        break
    assert not work.model._forward_hooks


def test_logits_that_are_ambiguous_are_said_by_the_caller():
    model = answering(lambda z: (z + 1, z))
    with pytest.raises(ConfigError, match="its answer is a tuple, not logits .*logits=lambda"):
        purify(model, DATA, *SHORT)
    ours = purify(model, DATA, *SHORT, logits=lambda answer: answer[1])
    assert alike(ours, purify(planted(), DATA, *SHORT))
    negated = purify(planted(), DATA, *SHORT, logits=lambda z: -z)
    assert not alike(negated, ours)


@pytest.mark.parametrize(("logits", "sentence"), [
    (lambda z: z.nothing, "logits: it fails on the model's answer, a Tensor .AttributeError"),
    (lambda z: z[:, 0], r"its answer is of shape \(2,\), not logits"),
    (lambda z: "z", "its answer is a str, not logits")])
def test_a_function_for_logits_that_does_not_do(logits, sentence):
    with pytest.raises(ConfigError, match=sentence):
        purify(planted(), DATA, *SHORT, logits=logits)


# ---- compiled models


@pytest.mark.parametrize("settings", [SGD(layer="conv2"), FineTuning(), NAD()])
def test_a_compiled_model_is_the_model_itself(settings):
    expected = purify(planted(), DATA, settings, BUDGET)
    model = torch.compile(planted(), backend="eager")
    found = purify(model, DATA, settings, BUDGET)
    assert type(found) is type(expected) and alike(found, expected)
    assert type(model) is not type(found), "the given one is still compiled"


def test_parts_that_are_compiled_are_the_parts_themselves():
    model = planted()
    model.conv2 = torch.compile(model.conv2, backend="eager")
    given = type(model.conv2)
    found = purify(model, DATA, *SHORT)
    assert alike(found, purify(planted(), DATA, *SHORT))
    assert type(model.conv2) is given and type(found.conv2) is nn.Conv2d


def test_a_model_compiled_in_place_is_not_compiled_in_the_copy():
    model = planted()

    def refuse(*_):
        raise AssertionError("compiled")

    model.compile(backend=refuse)
    assert alike(purify(model, DATA, *SHORT), purify(planted(), DATA, *SHORT))


# ---- batches


X, Y = DATA
PLACES = torch.arange(len(Y))
BATCHES = {
    "mapping": [{"image": x, "label": y} for x, y in zip(X.split(10), Y.split(10))],
    "one mapping": {"pixel_values": X, "labels": Y},
    "mapping with numbers": [{"index": PLACES, "labels": Y, "image": X}],
    "three": [(X, Y, ["name"] * len(Y))],
    "three, labels first": [(Y, X, None)],
    "three with weights": [(X, Y, torch.ones(len(Y)))]}


@pytest.mark.parametrize("data", BATCHES.values(), ids=BATCHES)
def test_batches_in_which_inputs_and_labels_are_unambiguous(data):
    assert alike(purify(planted(), data, *SHORT), purify(planted(), DATA, *SHORT))


def test_batches_that_are_ambiguous_are_said_by_the_caller():
    data = [(PLACES, X, Y)]
    with pytest.raises(ConfigError, match="a batch is a tuple of 3, not a pair.*batch=lambda"):
        purify(planted(), data, *SHORT)
    with pytest.raises(ConfigError, match="a batch is a dict of a, b, c, not a pair"):
        purify(planted(), [dict(zip("abc", data[0]))], *SHORT)
    found = purify(planted(), data, *SHORT, batch=lambda batch: batch[1:])
    assert alike(found, purify(planted(), DATA, *SHORT))
    objects = [SimpleNamespace(x=X, y=Y)]
    found = purify(planted(), objects, *SHORT, batch=lambda one: (one.x, one.y))
    assert alike(found, purify(planted(), DATA, *SHORT))


@pytest.mark.parametrize(("batch", "sentence"), [
    (lambda one: one.x, "batch: it fails on a tuple of 2 .AttributeError.* return .inputs, labels"),
    (lambda one: one[0], "a batch is a Tensor, not a pair")])
def test_a_function_for_batches_that_does_not_do(batch, sentence):
    with pytest.raises(NGFError, match=sentence):
        purify(planted(), DATA, *SHORT, batch=batch)
